// Values worked by hand, and by scikit-learn and SciPy where the comment says so.
#include "core/eval/metrics.h"

#include <cmath>
#include <vector>

#include "tests/check.h"

namespace dsd {
namespace {

using Ids = std::vector<std::int32_t>;
using Numbers = std::vector<double>;
using doctest::Approx;

const Ids kGold{1, 0, 1, 1, 0, 1, 0, 0, 1, 1}, kPredicted{1, 0, 0, 1, 1, 1, 0, 1, 1, 0};

TEST_CASE("two classes: TP 4, TN 2, FP 2, FN 2") {
  CHECK(accuracy(kPredicted, kGold) == Approx(0.6).epsilon(1e-15));
  CHECK(f1(kPredicted, kGold, 1) == Approx(2.0 / 3).epsilon(1e-15));  // 8 / (8 + 2 + 2)
  CHECK(f1(kPredicted, kGold, 0) == Approx(0.5).epsilon(1e-15));      // 4 / (4 + 2 + 2)
  CHECK(matthews(kPredicted, kGold) == Approx(4 / std::sqrt(6.0 * 6 * 4 * 4)).epsilon(1e-14));
}

TEST_CASE("Matthews' correlation of three classes") {
  CHECK(matthews(Ids{0, 1, 1, 1, 2, 0, 2, 0, 2}, Ids{0, 0, 1, 1, 2, 2, 2, 0, 1}) == Approx(0.5).epsilon(1e-14));
}

TEST_CASE("what is perfect, what is opposite, and what is undefined") {
  CHECK(matthews(kGold, kGold) == Approx(1).epsilon(1e-15));
  CHECK(matthews(Ids{0, 1}, Ids{1, 0}) == Approx(-1).epsilon(1e-15));
  CHECK(matthews(Ids{1, 1, 1}, Ids{1, 0, 1}) == 0);
  CHECK(matthews(Ids{1, 1}, Ids{1, 1}) == 0);
  CHECK(f1(Ids{0, 0}, Ids{0, 0}, 1) == 0);
  CHECK(pearson(Numbers{0.1, 0.1, 0.1}, Numbers{1, 2, 3}) == 0);
  CHECK(spearman(Numbers{1, 2, 3}, Numbers{5, 5, 5}) == 0);
}

TEST_CASE("correlations, equal values sharing their rank (SciPy: 0.9703753, 0.9856108)") {
  const Numbers gold{0, 2.5, 5, 3.2, 3.2, 1}, predicted{0.3, 2, 4.8, 3.9, 3, 0.9};
  CHECK(pearson(predicted, gold) == Approx(0.9703753).epsilon(1e-7));
  // Ranks 1 3 6 4.5 4.5 2 and 1 3 6 5 4 2: 17 / sqrt(17 * 17.5).
  CHECK(spearman(predicted, gold) == Approx(17 / std::sqrt(17.0 * 17.5)).epsilon(1e-14));
}

TEST_CASE("a correlation knows neither shift nor scale, and a far shift costs no digits") {
  const Numbers gold{1, 2, 3, 4, 7}, line{1e9 - 3, 1e9 - 6, 1e9 - 9, 1e9 - 12, 1e9 - 21};
  CHECK(pearson(line, gold) == Approx(-1).epsilon(1e-12));
  CHECK(spearman(Numbers{1, 10, 100, 1000, 10000}, gold) == Approx(1).epsilon(1e-15));
}

}  // namespace
}  // namespace dsd
