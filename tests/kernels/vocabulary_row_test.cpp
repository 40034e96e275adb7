// Row losses over a vocabulary: the formula in float64 against central differences of a naive loss, and every
// instruction set against the formula.
#include "kernels/vocabulary_row.h"

#include <algorithm>
#include <cmath>

#include "tests/check.h"
#include "tests/kernels/sample.h"

using namespace dsd;
using at::Tensor;
using Numbers = std::vector<double>;

namespace {

constexpr double kNone = -INFINITY;

struct DoubleMath {
  using Number = double;
  using Scalar = double;
  static double exp(double x) { return std::exp(x); }
  static double log(double x) { return std::log(x); }
  static double where_positive(double x, double value) { return x > 0 ? value : 0; }
  static double where_finite(double x, double value) { return x > kNone ? value : 0; }
};

// A row: the teacher's logits, or its top (ids, logs of probabilities, log of the rest).
struct Row {
  Numbers student, teacher;
  std::vector<int> top;
  Numbers top_log_p;
  double top_log_tail = kNone;
  int label = -1;
};

struct Result {
  VocabularyTotals totals;
  Numbers gradient;
};

double weighted(const VocabularyTerms& terms, const VocabularyTotals& totals) {
  double value = 0;
  each_loss(terms, totals, [&](float coefficient, double total) { value += static_cast<double>(coefficient) * total; });
  return value;
}

double log_sum(const Numbers& values) {
  double most = kNone, total = 0;
  for (const double value : values) most = std::max(most, value);
  if (most == kNone) return kNone;
  for (const double value : values) total += std::exp(value - most);
  return most + std::log(total);
}

bool in_top(const Row& row, int id) { return std::find(row.top.begin(), row.top.end(), id) != row.top.end(); }

// The two sides at temperature T over the classes that are compared; masked on both sides where either masks.
std::pair<Numbers, Numbers> compared(const Row& row, double inverse) {
  Numbers student, teacher, tail;
  if (row.top.empty()) {
    for (std::size_t i = 0; i < row.student.size(); ++i) {
      student.push_back(row.student[i] * inverse);
      teacher.push_back(row.teacher[i] * inverse);
    }
  } else {
    for (const int id : row.top) student.push_back(row.student[static_cast<std::size_t>(id)] * inverse);
    for (int i = 0; i < static_cast<int>(row.student.size()); ++i)
      if (!in_top(row, i)) tail.push_back(row.student[static_cast<std::size_t>(i)] * inverse);
    student.push_back(log_sum(tail));
    teacher = row.top_log_p;
    teacher.push_back(row.top_log_tail);
  }
  for (std::size_t i = 0; i < student.size(); ++i)
    if (student[i] == kNone || teacher[i] == kNone) student[i] = teacher[i] = kNone;
  return {student, teacher};
}

// As the definitions stand, without care for anything.
double naive(const Row& row, const VocabularyTerms& terms) {
  const auto [student, teacher] = compared(row, static_cast<double>(terms.inverse_temperature));
  const double share = static_cast<double>(terms.teacher_share), student_sum = log_sum(student),
               teacher_sum = log_sum(teacher);
  double value = 0;
  for (std::size_t i = 0; i < student.size(); ++i) {
    if (student[i] == kNone) continue;
    const double q = std::exp(student[i] - student_sum), p = std::exp(teacher[i] - teacher_sum);
    const double m = share * p + (1 - share) * q;
    value += weighted(terms, {.forward = p * std::log(p / q),
                              .soft_cross_entropy = -p * std::log(q),
                              .reverse = q * std::log(q / p),
                              .jensen_shannon = share * p * std::log(p / m) + (1 - share) * q * std::log(q / m),
                              .skew = p * std::log(p / m),
                              .skew_reverse = q * std::log(q / m),
                              .total_variation = std::abs(p - q) / 2});
  }
  if (row.label < 0) return value;
  const double sum = log_sum(row.student), smoothing = static_cast<double>(terms.label_smoothing);
  double mean = 0, counted = 0;
  for (const double z : row.student)
    if (z > kNone) mean += sum - z, counted += 1;
  return value +
         static_cast<double>(terms.cross_entropy) *
             ((1 - smoothing) * (sum - row.student[static_cast<std::size_t>(row.label)]) + smoothing * mean / counted);
}

// By the formula that the launchers walk, in float64.
Result by_formula(const Row& row, const VocabularyTerms& terms) {
  const auto [student, teacher] = compared(row, static_cast<double>(terms.inverse_temperature));
  VocabularyRow<double> sums;
  sums.student_log_sum = log_sum(student), sums.teacher_log_sum = log_sum(teacher), sums.log_sum = log_sum(row.student);
  VocabularySums<DoubleMath> all{};
  const auto element = [&](std::size_t i) { return softened_element<DoubleMath>(student[i], teacher[i], sums); };
  for (std::size_t i = 0; i < student.size(); ++i) add_vocabulary_sums<DoubleMath>(element(i), terms, all);
  set_means<DoubleMath>(sums, all);
  const double share = static_cast<double>(terms.teacher_share);
  Result result{.totals = {.forward = all.forward,
                           .soft_cross_entropy = all.soft_cross_entropy,
                           .reverse = all.reverse,
                           .jensen_shannon = share * all.teacher_to_mixed + (1 - share) * all.student_to_mixed,
                           .skew = all.teacher_to_mixed,
                           .skew_reverse = all.student_to_mixed,
                           .total_variation = all.total_variation},
                .gradient = {}};
  double counted = 0, mean = 0;
  for (const double z : row.student)
    if (z > kNone) counted += 1, mean += z;
  const double cross = row.label >= 0 ? static_cast<double>(terms.cross_entropy) : 0,
               smoothing = static_cast<double>(terms.label_smoothing), each = smoothing / counted;
  if (row.label >= 0)
    result.totals.cross_entropy = (1 - smoothing) * (sums.log_sum - row.student[static_cast<std::size_t>(row.label)]) +
                                  smoothing * (sums.log_sum - mean / counted);
  for (int i = 0; i < static_cast<int>(row.student.size()); ++i) {
    const double z = row.student[static_cast<std::size_t>(i)];
    std::size_t at = static_cast<std::size_t>(i);
    if (!row.top.empty()) at = static_cast<std::size_t>(std::find(row.top.begin(), row.top.end(), i) - row.top.begin());
    double gradient = soft_gradient<DoubleMath>(element(at), terms, sums);
    if (!row.top.empty() && !in_top(row, i) && student.back() > kNone)
      gradient *= std::exp(z * static_cast<double>(terms.inverse_temperature) - student.back());
    gradient += cross_entropy_gradient<DoubleMath>(z, cross, each, sums);
    if (i == row.label) gradient -= cross * (1 - smoothing);
    result.gradient.push_back(gradient);
  }
  return result;
}

const std::vector<VocabularyTerms> kTerms{
    {.forward = 0.75f},
    {.cross_entropy = 0.5f},
    {.forward = 0.75f, .cross_entropy = 0.25f, .inverse_temperature = 0.5f},
    {.reverse = 1.5f, .inverse_temperature = 0.25f},
    {.jensen_shannon = 2, .teacher_share = 0.125f, .inverse_temperature = 0.5f},
    {.jensen_shannon = 1, .teacher_share = 0.875f},
    {.reverse = 0.25f, .jensen_shannon = 0.5f, .cross_entropy = 0.25f, .label_smoothing = 0.125f},
    {.forward = 1, .reverse = 1, .cross_entropy = 1, .label_smoothing = 0.25f},
    {.soft_cross_entropy = 0.75f, .inverse_temperature = 0.5f},
    {.soft_cross_entropy = 0.75f, .cross_entropy = 0.5f},
    {.skew = 1.25f, .teacher_share = 0.125f, .inverse_temperature = 0.5f},
    {.skew_reverse = 1.25f, .teacher_share = 0.875f, .inverse_temperature = 0.5f},
    {.total_variation = 2, .inverse_temperature = 0.5f},
    {.forward = 0.5f,
     .soft_cross_entropy = 0.25f,
     .reverse = 0.25f,
     .jensen_shannon = 0.5f,
     .skew = 0.75f,
     .skew_reverse = 1,
     .total_variation = 0.5f,
     .cross_entropy = 0.25f,
     .teacher_share = 0.25f}};

struct Shape {
  int classes = 0, top = 0;  // top 0: the teacher's whole logits
  bool masks = false;
};

// Row `seed` of random rows; with masks, one class is masked by the student, one by the teacher, one by both.
Row random_row(const Shape& shape, std::uint64_t seed) {
  const auto doubles = [&](std::uint64_t which) {
    const Tensor values = sample::numbers({shape.classes}, seed * 2 + which, 2);
    const float* data = values.const_data_ptr<float>();
    return Numbers(data, data + shape.classes);
  };
  Row row{.student = doubles(0), .teacher = doubles(1)};
  row.label = static_cast<int>(seed * 7 % static_cast<std::uint64_t>(shape.classes)) - (seed % 3 == 2 ? 1000 : 0);
  if (row.label < 0) row.label = -1;
  const auto free_of_label = [&](int id) { return id == row.label ? (id + 1) % shape.classes : id; };
  if (shape.masks) {
    row.student[static_cast<std::size_t>(free_of_label(1))] = kNone;
    row.teacher[static_cast<std::size_t>(free_of_label(4))] = kNone;
    row.student[static_cast<std::size_t>(free_of_label(7))] = kNone;
    row.teacher[static_cast<std::size_t>(free_of_label(7))] = kNone;
  }
  if (shape.top == 0) return row;
  const double sum = log_sum(row.teacher);
  Numbers rest;
  const int step = shape.classes % 5 == 0 ? 7 : 5;  // no class twice
  for (int k = 0; k < shape.top; ++k) row.top.push_back((k * step + static_cast<int>(seed)) % shape.classes);
  for (const int id : row.top)
    row.top_log_p.push_back(static_cast<float>(row.teacher[static_cast<std::size_t>(id)] - sum));
  for (int i = 0; i < shape.classes; ++i)
    if (!in_top(row, i)) rest.push_back(row.teacher[static_cast<std::size_t>(i)] - sum);
  row.top_log_tail = static_cast<float>(log_sum(rest));
  return row;
}

VocabularyTile tile_of(const std::vector<Row>& rows, const VocabularyTerms& terms) {
  const auto stack = [&](auto member) {
    std::vector<Tensor> all;
    for (const Row& row : rows) all.push_back(at::tensor(row.*member, at::kDouble).to(at::kFloat));
    return at::stack(all).contiguous();
  };
  VocabularyTile tile{.student = stack(&Row::student), .terms = terms};
  std::vector<int> labels, ids;
  std::vector<double> tails;
  for (const Row& row : rows) {
    labels.push_back(row.label);
    tails.push_back(row.top_log_tail);
    ids.insert(ids.end(), row.top.begin(), row.top.end());
  }
  tile.labels = at::tensor(labels, at::kInt);
  if (ids.empty()) {
    tile.teacher = stack(&Row::teacher);
    return tile;
  }
  tile.top_ids = at::tensor(ids, at::kInt).view({static_cast<std::int64_t>(rows.size()), -1});
  tile.top_log_p = stack(&Row::top_log_p);
  tile.top_log_tail = at::tensor(tails, at::kDouble).to(at::kFloat);
  return tile;
}

void check_tile(const Shape& shape, const VocabularyTerms& terms, bool bf16, const cpu::Functions& functions) {
  CAPTURE(shape.classes);
  CAPTURE(shape.top);
  std::vector<Row> rows;
  Result expected;
  std::vector<Tensor> gradients;
  for (std::uint64_t i = 0; i < 3; ++i) {
    rows.push_back(random_row(shape, i + 1));
    const Result one = by_formula(rows.back(), terms);
    expected.totals += one.totals;
    gradients.push_back(at::tensor(one.gradient, at::kDouble));
  }
  VocabularyTile tile = tile_of(rows, terms);
  tile.bf16 = bf16;
  const VocabularyTotals totals = vocabulary_rows(tile, functions);
  const double bound = 3e-6;
  VocabularyTotals difference = totals;
  each_loss(difference, expected.totals,
            [](double& got, double exact) { got = std::abs(got - exact) / std::max(1.0, std::abs(exact)); });
  each_loss(terms, difference, [&](float coefficient, double by) { CHECK((coefficient == 0 || by < bound)); });
  CHECK(sample::relative(gradient_of(tile), at::stack(gradients)) < (bf16 ? 4e-3 : bound));
}

}  // namespace

TEST_CASE("the gradient of a row is the slope of its losses") {
  for (const Shape& shape : {Shape{9}, Shape{9, 3}, Shape{9, 0, true}, Shape{11, 4, true}, Shape{5, 5}}) {
    for (const VocabularyTerms& terms : kTerms) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const Row row = random_row(shape, seed);
        const Result result = by_formula(row, terms);
        CHECK(weighted(terms, result.totals) == doctest::Approx(naive(row, terms)).epsilon(1e-12));
        for (std::size_t i = 0; i < row.student.size(); ++i) {
          const double step = 1e-5;
          Row up = row, down = row;
          up.student[i] += step, down.student[i] -= step;
          const double slope = row.student[i] == kNone ? 0 : (naive(up, terms) - naive(down, terms)) / (2 * step);
          CHECK(std::abs(result.gradient[i] - slope) < 1e-9);
        }
      }
    }
  }
}

TEST_CASE("every instruction set follows the formula, at every remainder of its vectors") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const VocabularyTerms& terms : kTerms) {
      for (int classes = 9; classes <= 41; ++classes) {
        for (const bool bf16 : {false, true}) {
          check_tile({classes}, terms, bf16, functions);
          check_tile({classes, 4}, terms, bf16, functions);
        }
        check_tile({classes, 0, true}, terms, false, functions);
        check_tile({classes, 4, true}, terms, false, functions);
      }
      check_tile({5, 5}, terms, false, functions);
      check_tile({3001}, terms, false, functions);
      check_tile({3001, 64}, terms, false, functions);
    }
  });
}

TEST_CASE("a moving target is the teacher's logits mixed with the student's, whatever masks them") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const bool masks : {false, true}) {
      const Row row = random_row({41, 0, masks}, 1);
      Row mixed = row;
      for (std::size_t i = 0; i < row.teacher.size(); ++i)
        mixed.teacher[i] = 0.75 * row.student[i] + 0.25 * row.teacher[i];
      const VocabularyTerms terms{.forward = 1, .inverse_temperature = 0.5f};
      VocabularyTile tile = tile_of({row}, terms), expected = tile_of({mixed}, terms);
      tile.terms.target_share = 0.25f;
      CHECK(vocabulary_rows(tile, functions).forward ==
            doctest::Approx(vocabulary_rows(expected, functions).forward).epsilon(1e-6));
      CHECK(sample::relative(gradient_of(tile), gradient_of(expected)) < 1e-5);
    }
  });
}

TEST_CASE("a student that gives the tail almost nothing has a finite gradient") {
  sample::each_isa([](const cpu::Functions& functions) {
    Row row = random_row({20, 3}, 1);
    for (const int id : row.top) row.student[static_cast<std::size_t>(id)] += 80;
    VocabularyTile tile = tile_of({row}, {.forward = 1});
    vocabulary_rows(tile, functions);
    const Result exact = by_formula(row, {.forward = 1});
    CHECK(sample::relative(gradient_of(tile), at::tensor(exact.gradient, at::kDouble).unsqueeze(0)) < 1e-5);
  });
}

TEST_CASE("a top class that the student lacks, or that is told twice, is left out") {
  sample::each_isa([](const cpu::Functions& functions) {
    const Row row = random_row({20, 3}, 1);
    VocabularyTile few = tile_of({row}, {.forward = 1, .cross_entropy = 1}), more = tile_of({row}, few.terms);
    const auto widened = [](const Tensor& values, std::vector<double> added) {
      return at::cat({values, at::tensor(added, at::kDouble).to(values.scalar_type()).unsqueeze(0)}, 1).contiguous();
    };
    more.top_ids = widened(more.top_ids, {-1, 20, 2'000'000'000, static_cast<double>(row.top[0])});
    more.top_log_p = widened(more.top_log_p, {-1, -2, -3, -1});
    CHECK(vocabulary_rows(few, functions).forward == vocabulary_rows(more, functions).forward);
    CHECK(at::equal(few.student, more.student));
  });
}
