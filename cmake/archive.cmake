# SPDX-License-Identifier: GPL-3.0-or-later
#
# libdtlsgate.a: all rooms but src/cli, with our wolfSSL inside, in one archive,
# so that who embeds it needs nothing else. Its licence is wolfSSL's and ours:
# GPL-3.0-or-later.

set(archive "${PROJECT_BINARY_DIR}/libdtlsgate.a")
set(script "${PROJECT_BINARY_DIR}/libdtlsgate.mri")
set(commands "CREATE ${archive}\n")
set(inputs)
foreach(room IN ITEMS server admin host config backend io crypto credentials core base)
	get_target_property(type dg_${room} TYPE)
	if(type STREQUAL "STATIC_LIBRARY")
		string(APPEND commands "ADDLIB $<TARGET_FILE:dg_${room}>\n")
		list(APPEND inputs dg_${room})
	endif()
endforeach()
string(APPEND commands "ADDLIB ${WOLFSSL_ROOT}/lib/libwolfssl.a\nSAVE\nEND\n")
file(GENERATE OUTPUT "${script}" CONTENT "${commands}")
add_custom_command(OUTPUT "${archive}"
	COMMAND "${CMAKE_COMMAND}" -E rm -f "${archive}"
	COMMAND sh -c "\"${CMAKE_AR}\" -M < \"${script}\""
	DEPENDS ${inputs} "${script}"
	VERBATIM)
add_custom_target(dtlsgate_archive ALL DEPENDS "${archive}")
add_dependencies(product dtlsgate_archive)
install(FILES "${archive}" DESTINATION ${CMAKE_INSTALL_LIBDIR})
