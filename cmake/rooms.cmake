# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a room is to the build: a static library of the .c files of one folder
# under src/. A room without files yet is an empty interface library.

# dg_room(NAME [AS target] [DEFINE symbols...] [LINK libraries...])
function(dg_room name)
	cmake_parse_arguments(PARSE_ARGV 1 room "" "AS" "DEFINE;LINK")
	set(target dg_${name})
	if(room_AS)
		set(target ${room_AS})
	endif()
	file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.c")
	if(NOT sources)
		add_library(${target} INTERFACE)
		target_link_libraries(${target} INTERFACE ${room_LINK})
		return()
	endif()
	add_library(${target} STATIC ${sources})
	target_link_libraries(${target} PRIVATE dg_flags ${room_LINK})
	target_compile_definitions(${target} PRIVATE ${room_DEFINE})
endfunction()

# dg_all_rooms(TARGET CORE): every room in the linker's order, with this core.
# libwolfssl.a comes last; only src/crypto may compile against it.
function(dg_all_rooms target core)
	add_library(${target} INTERFACE)
	target_link_libraries(${target} INTERFACE
		dg_audit dg_server dg_client dg_load dg_keeper dg_admin dg_host dg_config dg_backend dg_io dg_crypto dg_credentials ${core} dg_base
		$<LINK_ONLY:wolfssl> seccomp Threads::Threads)
endfunction()
