# SPDX-License-Identifier: Apache-2.0
#
# Plugins of lima-netd with CMake:
#
#   find_package(lima-netd-plugin REQUIRED)
#   lima_netd_add_plugin(net-mine SOURCES plugin.c frames.c)    # lima-net-mine.so, a network plugin called mine
#   install(TARGETS lima-net-mine DESTINATION ${LIMA_NETD_PLUGIN_DIR})
#
# or, by hand, target_link_libraries(... PRIVATE lima-netd::plugin) for the headers alone.

get_filename_component(LIMA_NETD_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(LIMA_NETD_INCLUDE_DIR "${LIMA_NETD_PREFIX}/include/lima-netd")
set(LIMA_NETD_PLUGIN_DIR "${LIMA_NETD_PREFIX}/lib/lima-netd/plugins/1")
set(LIMA_NETD_PLUGIN_MAP "${LIMA_NETD_PREFIX}/share/lima-netd/sdk/templates/common/plugin.map")

if(NOT TARGET lima-netd::plugin)
  add_library(lima-netd::plugin INTERFACE IMPORTED)
  set_target_properties(lima-netd::plugin PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${LIMA_NETD_INCLUDE_DIR}")
endif()

# lima_netd_add_plugin(net-NAME|dns-NAME SOURCES ...): the target lima-net-NAME or lima-dns-NAME, a module of that name
# that exports its entry and nothing else.
function(lima_netd_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  if(NOT name MATCHES "^(net|dns)-[a-z][a-z0-9-]*$" OR NOT arg_SOURCES)
    message(FATAL_ERROR "lima_netd_add_plugin(net-NAME|dns-NAME SOURCES ...)")
  endif()
  set(target "lima-${name}")
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE lima-netd::plugin)
  set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".so" C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${LIMA_NETD_PLUGIN_MAP}")
  endif()
endfunction()
