# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compiler and linker flags for every target, in one place: the language, the
# warnings, and either hardening or sanitizers. It never looks at a source file.

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Assertions stay on in every build: no -DNDEBUG.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g")

add_library(dg_flags INTERFACE)
target_compile_definitions(dg_flags INTERFACE _GNU_SOURCE DTLSGATE_VERSION="${PROJECT_VERSION}")
target_include_directories(dg_flags INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
target_compile_options(dg_flags INTERFACE
	-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
	-Wformat=2 -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings
	$<$<BOOL:${DTLSGATE_WERROR}>:-Werror>
	# Paths of this machine do not belong into binaries.
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86|AMD64")
	set(control_flow -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
	set(control_flow -mbranch-protection=standard)
else()
	set(control_flow)
endif()

# Level 3 came with gcc 12 and with clang 14's glibc support.
if((CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 12) OR
   (CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 14))
	set(fortify 2)
else()
	set(fortify 3)
endif()

if(DTLSGATE_SANITIZE)
	target_compile_options(dg_flags INTERFACE
		-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all)
	target_link_options(dg_flags INTERFACE -fsanitize=address,undefined)
	target_compile_definitions(dg_flags INTERFACE DTLSGATE_SANITIZED)
else()
	target_compile_options(dg_flags INTERFACE
		-fstack-protector-strong -fstack-clash-protection ${control_flow}
		# Fortification needs the optimizer and warns without it.
		$<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=${fortify}>)
	target_link_options(dg_flags INTERFACE LINKER:-z,relro,-z,now,-z,noexecstack,--as-needed)
endif()
