# Write OUTPUT, a header with the commit of SOURCE_DIR. Runs at every build, because a commit changes
# no source file; the header is touched only when its text changes, so that nothing is recompiled in vain.

# `git archive` puts the commit here.
set(commit "$Format:%H$")
set(dirty 0)

# The folder may be an unpacked archive inside another project's repository, which is not our commit.
execute_process(COMMAND git rev-parse --show-toplevel HEAD WORKING_DIRECTORY ${SOURCE_DIR}
  OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
file(REAL_PATH "${SOURCE_DIR}" source_dir)
if(NOT failed AND lines MATCHES "^(.*)\n(.*)$" AND CMAKE_MATCH_1 STREQUAL source_dir)
  set(commit ${CMAKE_MATCH_2})
  # Only what the program is built of counts: an edited test or a new result does not change the binary.
  execute_process(COMMAND git --no-optional-locks status --porcelain -- CMakeLists.txt CMakePresets.json lib workloads harness
    WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE changes ERROR_QUIET)
  if(changes)
    set(dirty 1)
  endif()
elseif(commit MATCHES "Format")
  set(commit unknown)
endif()

file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define HX_GIT_COMMIT \"${commit}\"\n#define HX_GIT_DIRTY ${dirty}\n")
