# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a CTest test of each tests/<folder>/test_*.c and test_*.py, and a program
# of each bench/*.c. It runs nothing and counts nothing: scripts/test does.
#
# A test can say in its head what it needs, in a line of this form:
#
#   // ctest: release-only serial timeout=300        (Python: # ctest: ...)
#
#   release-only   not under the sanitizers (measures memory, time, or the kernel)
#   serial         nothing else runs meanwhile
#   timeout=N      seconds; 120 is usual for C, 300 for Python. Twice that under the
#                  sanitizers

set(test_environment
	"ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0:allocator_may_return_null=1"
	"UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
	"DTLSGATE=${PROJECT_BINARY_DIR}/dtlsgate"
	"DTLSGATE_BUILD=${PROJECT_BINARY_DIR}"
	"DTLSGATE_SOURCE=${PROJECT_SOURCE_DIR}")

add_library(dg_check STATIC tests/check.c tests/own_network.c)
target_link_libraries(dg_check PRIVATE dg_flags)
target_include_directories(dg_check INTERFACE "${PROJECT_SOURCE_DIR}/tests")

file(GLOB support_sources CONFIGURE_DEPENDS tests/support/*.c)
if(support_sources)
	add_library(dg_support STATIC ${support_sources})
	target_link_libraries(dg_support PRIVATE dg_flags dg_check wolfssl)
else()
	add_library(dg_support INTERFACE)
endif()

# Labels, time limit and the needs from the test's head.
function(dg_register_test name file folder default_timeout)
	set(labels ${folder})
	set(timeout ${default_timeout})
	set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
	file(STRINGS "${file}" needs REGEX "^(//|#) ctest:" LIMIT_COUNT 1)
	if(needs MATCHES "release-only")
		list(APPEND labels release-only)
		if(DTLSGATE_SANITIZE)
			set_tests_properties(${name} PROPERTIES DISABLED TRUE)
		endif()
	endif()
	if(needs MATCHES "serial")
		set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
	endif()
	if(needs MATCHES "timeout=([0-9]+)")
		set(timeout ${CMAKE_MATCH_1})
	endif()
	if(DTLSGATE_SANITIZE)
		math(EXPR timeout "2 * ${timeout}")
	endif()
	if(name MATCHES "^crypto/test_takeover")
		list(APPEND labels takeover)
	endif()
	set_tests_properties(${name} PROPERTIES
		LABELS "${labels}" TIMEOUT ${timeout} ENVIRONMENT "${test_environment}"
		FAIL_REGULAR_EXPRESSION "event=counters-do-not-add-up") # of any server that a test runs: src/server/settle.c
endfunction()

file(GLOB c_tests CONFIGURE_DEPENDS tests/*/test_*.c)
foreach(file IN LISTS c_tests)
	cmake_path(GET file STEM stem)
	cmake_path(GET file PARENT_PATH folder)
	cmake_path(GET folder FILENAME folder)
	set(target ${folder}_${stem})
	add_executable(${target} "${file}")
	set_target_properties(${target} PROPERTIES
		OUTPUT_NAME ${stem} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/${folder}")
	if(stem MATCHES "^test_crash_")
		set(rooms dg_rooms_crash)
		target_compile_definitions(${target} PRIVATE DG_CRASH_POINTS)
	else()
		set(rooms dg_rooms)
	endif()
	target_link_libraries(${target} PRIVATE dg_flags dg_support dg_check ${rooms} wolfssl)
	add_test(NAME ${folder}/${stem} COMMAND ${target})
	dg_register_test(${folder}/${stem} "${file}" ${folder} 120)
	if(folder STREQUAL "crypto" AND stem MATCHES "^test_takeover")
		list(APPEND takeover_targets ${target})
	endif()
endforeach()
add_custom_target(takeover_tests DEPENDS ${takeover_targets})

# Programs that the system tests drive: tests/system/*.c other than test_*.c. wolf_echo is a foreign client:
# it links wolfSSL and none of the rooms.
file(GLOB system_helpers CONFIGURE_DEPENDS tests/system/*.c)
list(FILTER system_helpers EXCLUDE REGEX "/test_[^/]*$")
foreach(file IN LISTS system_helpers)
	cmake_path(GET file STEM stem)
	add_executable(system_${stem} "${file}")
	set_target_properties(system_${stem} PROPERTIES
		OUTPUT_NAME ${stem} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/system")
	target_link_libraries(system_${stem} PRIVATE dg_flags wolfssl)
endforeach()

find_program(PYTHON3 python3 REQUIRED)
file(GLOB python_tests CONFIGURE_DEPENDS tests/*/test_*.py)
foreach(file IN LISTS python_tests)
	cmake_path(GET file STEM stem)
	cmake_path(GET file PARENT_PATH folder)
	cmake_path(GET folder FILENAME folder)
	add_test(NAME ${folder}/${stem} COMMAND "${PYTHON3}" -B "${file}")
	dg_register_test(${folder}/${stem} "${file}" ${folder} 300)
endforeach()

# The benchmarks: a program of each bench/*.c. They drive the same wolfSSL clients as the tests.
file(GLOB measure_sources CONFIGURE_DEPENDS bench/measure/*.c)
add_library(dg_measure STATIC ${measure_sources})
target_link_libraries(dg_measure PRIVATE dg_flags dg_check wolfssl)
target_include_directories(dg_measure PUBLIC "${PROJECT_SOURCE_DIR}/bench")
add_custom_target(benchmarks DEPENDS product)
file(GLOB bench_programs CONFIGURE_DEPENDS bench/*.c)
foreach(file IN LISTS bench_programs)
	cmake_path(GET file STEM stem)
	add_executable(bench_${stem} "${file}")
	set_target_properties(bench_${stem} PROPERTIES
		OUTPUT_NAME ${stem} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
	target_link_libraries(bench_${stem} PRIVATE dg_flags dg_measure dg_support dg_check dg_rooms wolfssl)
	add_dependencies(benchmarks bench_${stem})
endforeach()
