# SPDX-License-Identifier: GPL-3.0-or-later
#
# The fuzz targets: each fuzz/target_NAME.c becomes a program that replays its
# corpus (a test of every build) and, with DTLSGATE_FUZZ and clang, a libFuzzer.
# It runs no fuzzer: scripts/fuzz does. A target that is added needs no line here.

option(DTLSGATE_FUZZ "Build the libFuzzer programs too (clang)" OFF)
option(DTLSGATE_COVERAGE "Count the lines that the corpora reach (clang)" OFF)

if(DTLSGATE_FUZZ)
	target_compile_options(dg_flags INTERFACE -O2 -fsanitize=fuzzer-no-link) # what was built for tests has -O1
	add_custom_target(fuzzers)
endif()
if(DTLSGATE_COVERAGE)
	target_compile_options(dg_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
	target_link_options(dg_flags INTERFACE -fprofile-instr-generate)
endif()

add_library(dg_fuzz OBJECT fuzz/check_abort.c fuzz/watched_aead.c fuzz/quiet_pages.c fuzz/secret_blocks.c)
target_link_libraries(dg_fuzz PRIVATE dg_flags)
target_include_directories(dg_fuzz PUBLIC "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/fuzz")

if(DTLSGATE_FUZZ)
	# Comparisons tell the fuzzer words to try. Those of what simulates, judges, hashes and keeps time tell it none, and were
	# most of what some targets cost; nor do those of the options' names, letter by letter, since whole names are seen where
	# they are compared with strcmp. Edges are counted there all the same.
	set(no_words -fno-sanitize-coverage=trace-cmp)
	foreach(part dg_support dg_fuzz dg_base dg_config)
		target_compile_options(${part} PRIVATE ${no_words})
	endforeach()
	# Of the core, those that keep books and time, and read no byte of anybody's.
	foreach(name address admission association backoff early engine engine_timers front_handshakes handshake_table index null_aead
			prefix set_table shard shard_find shard_path shard_sides shard_slots shard_trim vacancy)
		set_source_files_properties("${PROJECT_SOURCE_DIR}/src/core/${name}.c" PROPERTIES COMPILE_OPTIONS ${no_words})
	endforeach()
endif()

add_custom_target(replays)
file(GLOB fuzz_targets CONFIGURE_DEPENDS fuzz/target_*.c)
foreach(file IN LISTS fuzz_targets)
	cmake_path(GET file STEM stem)
	string(REPLACE target_ "" name ${stem})
	set(programs replay_${name})
	add_executable(replay_${name} "${file}" fuzz/replay.c)
	add_dependencies(replays replay_${name})
	if(DTLSGATE_FUZZ)
		add_executable(fuzz_${name} "${file}")
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
		target_compile_options(fuzz_${name} PRIVATE ${no_words})
		add_dependencies(fuzzers fuzz_${name})
		list(APPEND programs fuzz_${name})
	endif()
	foreach(program IN LISTS programs)
		set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
		# The checks that abort come before those that count.
		target_link_libraries(${program} PRIVATE dg_fuzz dg_flags dg_support dg_rooms wolfssl)
		target_link_options(${program} PRIVATE -Wl,--wrap=dg_secret_new,--wrap=dg_secret_free) # fuzz/secret_blocks.c
	endforeach()
	add_test(NAME fuzz/corpus_${name} COMMAND replay_${name} ${name} "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}")
	dg_register_test(fuzz/corpus_${name} "${file}" fuzz 300)
endforeach()

add_executable(fuzz_seeds EXCLUDE_FROM_ALL fuzz/seeds.c)
set_target_properties(fuzz_seeds PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
target_link_libraries(fuzz_seeds PRIVATE dg_fuzz dg_flags dg_support dg_rooms wolfssl)
