#include "kernels/gemm.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cpu/functions.h"
#include "kernels/parallel.h"

// Exported by LibTorch's libtorch_cpu (MKL).
extern "C" {
void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb, const float* beta,
            float* c, const int* ldc);
void dgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb, const double* beta,
            double* c, const int* ldc);
void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                            const void* a, int lda, const void* b, int ldb, float beta, float* c, int ldc);
}

namespace dsd {
namespace {

struct Operand {
  bool transposed;
  int leading;
};

Operand operand_of(const at::Tensor& matrix) {
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1);
  const bool by_rows = matrix.stride(1) == 1 && (rows == 1 || matrix.stride(0) >= columns);
  const bool by_columns = matrix.stride(0) == 1 && (columns == 1 || matrix.stride(1) >= rows);
  TORCH_CHECK(by_rows || by_columns, "gemm takes matrices with unit stride in one dimension");
  const std::int64_t leading = by_rows ? std::max(matrix.stride(0), columns) : std::max(matrix.stride(1), rows);
  return {!by_rows, static_cast<int>(std::max<std::int64_t>(leading, 1))};
}

// Fortran's matrices are by columns: c^T = b^T a^T.
template <class T, class Function>
void fortran_gemm(Function function, const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds) {
  const Operand left = operand_of(a), right = operand_of(b), result = operand_of(c);
  const int m = static_cast<int>(c.size(0)), n = static_cast<int>(c.size(1)), k = static_cast<int>(a.size(1));
  const T alpha = 1, beta = adds ? 1 : 0;
  function(right.transposed ? "T" : "N", left.transposed ? "T" : "N", &n, &m, &k, &alpha, b.const_data_ptr<T>(),
           &right.leading, a.const_data_ptr<T>(), &left.leading, &beta, c.mutable_data_ptr<T>(), &result.leading);
}

// Where the processor does not multiply bf16, MKL widens operands as we do, but in buffers that stay: some 250 MiB.
bool multiplies_bf16() {
  static const bool does = __builtin_cpu_supports("avx512bf16") != 0;
  return does;
}

// Scratch of this thread, as large as has been needed.
at::Tensor widened(const at::Tensor& matrix, at::Tensor& scratch) {
  if (!scratch.defined() || scratch.numel() < matrix.numel()) scratch = at::empty({matrix.numel()}, at::kFloat);
  const bool by_rows = matrix.stride(1) == 1;
  at::Tensor wide = scratch.narrow(0, 0, matrix.numel());
  wide = by_rows ? wide.view({matrix.size(0), matrix.size(1)}) : wide.view({matrix.size(1), matrix.size(0)}).t();
  return wide.copy_(matrix);
}

void widened_gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds) {
  thread_local at::Tensor left, right;
  fortran_gemm<float>(sgemm_, widened(a, left), widened(b, right), c, adds);
}

// A few rows against the rows of a matrix that stands transposed: what a token's step is made of.
bool is_few_rows(const at::Tensor& a, const at::Tensor& b) {
  return a.size(0) <= cpu::kFewRows && b.stride(0) == 1 && b.stride(1) == b.size(0);
}

void few_rows_gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds) {
  const at::Tensor rows = a.to(at::kFloat).contiguous();
  const cpu::FewRows work{.a = rows.const_data_ptr<float>(),
                          .w = reinterpret_cast<const std::uint16_t*>(b.const_data_ptr<at::BFloat16>()),
                          .c = c.mutable_data_ptr<float>(),
                          .m = a.size(0),
                          .k = a.size(1),
                          .c_stride = c.stride(0),
                          .adds = adds};
  constexpr std::int64_t kGrain = 65536;  // numbers of b that are worth a thread
  in_parts(c.size(1), part_count(b.numel(), kGrain), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    cpu::best_functions().few_rows(work, begin, end);
  });
}

void bf16_gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds) {
  if (is_few_rows(a, b)) return few_rows_gemm(a, b, c, adds);
  if (!multiplies_bf16()) return widened_gemm(a, b, c, adds);
  const Operand left = operand_of(a), right = operand_of(b), result = operand_of(c);
  constexpr int kByRows = 101, kAsIs = 111, kTransposed = 112;
  cblas_gemm_bf16bf16f32(kByRows, left.transposed ? kTransposed : kAsIs, right.transposed ? kTransposed : kAsIs,
                         static_cast<int>(c.size(0)), static_cast<int>(c.size(1)), static_cast<int>(a.size(1)), 1.0f,
                         a.const_data_ptr(), left.leading, b.const_data_ptr(), right.leading, adds ? 1.0f : 0.0f,
                         c.mutable_data_ptr<float>(), result.leading);
}

}  // namespace

void gemm_piece(std::int64_t m, std::int64_t n, std::int64_t k, const Piece& a, const Piece& b, float* c,
                std::int64_t c_stride, bool adds) {
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), inner = static_cast<int>(k);
  const int a_stride = static_cast<int>(a.stride), b_stride = static_cast<int>(b.stride);
  const int stride = static_cast<int>(c_stride);
  const float alpha = 1, beta = adds ? 1 : 0;
  sgemm_(b.transposed ? "T" : "N", a.transposed ? "T" : "N", &columns, &rows, &inner, &alpha, b.data, &b_stride, a.data,
         &a_stride, &beta, c, &stride);
}

void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds) {
  TORCH_CHECK(a.size(0) == c.size(0) && b.size(1) == c.size(1) && a.size(1) == b.size(0), "gemm's shapes do not fit");
  TORCH_CHECK(a.scalar_type() == b.scalar_type(), "gemm's operands have one dtype");
  if (c.numel() == 0) return;
  const bool mixed = a.scalar_type() == at::kBFloat16 && c.scalar_type() == at::kFloat;
  TORCH_CHECK(mixed || a.scalar_type() == c.scalar_type(),
              "gemm's result has its operands' dtype, or is fp32 for bf16");
  if (c.is_cpu() && mixed) return bf16_gemm(a, b, c, adds);
  if (c.is_cpu() && c.scalar_type() == at::kFloat) return fortran_gemm<float>(sgemm_, a, b, c, adds);
  if (c.is_cpu() && c.scalar_type() == at::kDouble) return fortran_gemm<double>(dgemm_, a, b, c, adds);
  if (adds) {
    c.add_(at::mm(a, b));
  } else {
    c.copy_(at::mm(a, b));
  }
}

}  // namespace dsd
