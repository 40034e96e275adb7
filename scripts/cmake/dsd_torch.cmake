# Two targets: dsd_fmt (LibTorch's copy of fmt, headers only) and dsd_torch (LibTorch).
# A CPU build links libtorch_cpu and libc10 alone; they need cudart and cupti at start, which stand beside them.
find_package(Threads REQUIRED)

set(torch_include ${DSD_DEPS}/torch/include)
set(torch_lib ${DSD_DEPS}/torch/lib)
if(NOT EXISTS ${torch_lib}/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not in ${DSD_DEPS}; run scripts/setup.sh first")
endif()

add_library(dsd_fmt INTERFACE)
target_include_directories(dsd_fmt SYSTEM INTERFACE ${torch_include})
target_compile_definitions(dsd_fmt INTERFACE FMT_HEADER_ONLY)

add_library(dsd_torch INTERFACE)
target_include_directories(dsd_torch SYSTEM INTERFACE ${torch_include} ${torch_include}/torch/csrc/api/include)
# LibTorch's own libgomp, first on the link line and in the run path: one pool of threads shared with MKL.
target_compile_options(dsd_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_compile_definitions(dsd_torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
if(DSD_CUDA)
  set(CMAKE_CUDA_STANDARD 17) # or find_package(Torch) asks for a dialect that CMake 3.25 cannot spell
  if(NOT DEFINED TORCH_CUDA_ARCH_LIST)
    set(TORCH_CUDA_ARCH_LIST "8.0;9.0+PTX")
  endif()
  list(PREPEND CMAKE_PREFIX_PATH "${DSD_DEPS}/torch/share/cmake")
  find_package(Torch REQUIRED)
  # nvcc 13 knows C++20; only this CMake does not.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared) # the one that LibTorch uses
  set_property(TARGET caffe2::mkl PROPERTY INTERFACE_LINK_DIRECTORIES "")
  find_package(CUDAToolkit 13.0 REQUIRED)
  find_path(nccl_include nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${DSD_DEPS}/nvidia/nccl/include REQUIRED)
  target_include_directories(dsd_torch SYSTEM INTERFACE ${nccl_include})
  # The folders in which scripts/setup.sh looks before it unpacks the wheel.
  set(nccl_folders ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib64 ${CUDAToolkit_LIBRARY_ROOT}/lib
                   ${CUDAToolkit_LIBRARY_ROOT}/targets/x86_64-linux/lib /usr/lib/x86_64-linux-gnu ${DSD_DEPS}/nvidia/nccl/lib)
  find_library(nccl_library NAMES libnccl.so.2 nccl HINTS ${nccl_folders})
  if(NOT nccl_library)
    message(FATAL_ERROR "libnccl.so.2 is in none of ${nccl_folders}; run scripts/setup.sh --cuda")
  endif()
  target_link_libraries(dsd_torch INTERFACE ${torch_lib}/libgomp.so.1 ${TORCH_LIBRARIES} ${nccl_library}
                                            Threads::Threads dsd_fmt)
  target_compile_definitions(dsd_torch INTERFACE USE_C10D_NCCL)
else()
  target_link_libraries(dsd_torch INTERFACE ${torch_lib}/libtorch_cpu.so ${torch_lib}/libc10.so
                                            ${torch_lib}/libgomp.so.1 Threads::Threads dsd_fmt)
endif()
set(CMAKE_BUILD_RPATH ${torch_lib})
if(DSD_CUDA)
  # DT_RPATH rather than DT_RUNPATH: it also serves the libraries that LibTorch's own libraries ask for.
  list(APPEND CMAKE_BUILD_RPATH ${CUDAToolkit_LIBRARY_DIR})
  add_link_options(-Wl,--disable-new-dtags)
endif()
