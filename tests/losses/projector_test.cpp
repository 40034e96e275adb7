// Projectors: where they start, what they train, and that what is to be learnt cannot be shrunk to nothing.
#include "losses/projector.h"

#include "core/base/error.h"
#include "tests/check.h"
#include "tests/losses/features.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

Projector make(ProjectorSide side, std::int64_t student, std::int64_t teacher,
               ProjectorStart start = ProjectorStart::pca) {
  return {{.projector = side, .projector_start = start}, student, teacher, shapes_of(8, 12), "projector", "hidden"};
}

// A student that can give a constant and no more, trained together with a map of the teacher's states by plain descent:
// the mean square of the states that are left to be learnt.
double left_to_learn(const std::vector<Tensor>& weights, const std::function<Tensor()>& projected) {
  const Tensor constant = at::zeros({3}, at::kDouble).requires_grad_();
  std::vector<Tensor> all = weights;
  all.push_back(constant);
  for (int step = 0; step < 1500; ++step) {
    const Tensor target = projected();
    at::mse_loss(constant.expand_as(target), target).backward();
    const at::NoGradGuard no_grad;
    for (const Tensor& tensor : all) {
      tensor.sub_(tensor.grad());
      tensor.mutable_grad().zero_();
    }
  }
  return projected().square().mean().item<double>();
}

}  // namespace

TEST_CASE("auto: none for equal widths, on the student's side otherwise") {
  CHECK(make(ProjectorSide::automatic, 8, 8).parameters().empty());
  const Projector projector = make(ProjectorSide::automatic, 8, 12);
  REQUIRE(projector.parameters().size() == 2);
  CHECK(projector.parameters()[0].name == "projector.weight");
  CHECK(projector.parameters()[0].decays);
  CHECK_FALSE(projector.parameters()[1].decays);
  CHECK(projector.parameters()[0].weight->master.sizes() == at::IntArrayRef{12, 8});
}

TEST_CASE("the start is the teacher's principal directions, the same for the same rows and whatever their cut") {
  // Three directions of falling variance in twelve dimensions, by construction.
  const Tensor basis = std::get<0>(at::linalg_qr(draw({12, 3}, 1))).t();  // [3, 12]
  const Tensor coordinates = std::get<0>(at::linalg_qr(draw({200, 3}, 2))) * at::tensor({9.0, 4.0, 1.0}, at::kDouble);
  const Tensor teacher = at::mm(coordinates - coordinates.mean(0), basis) + 5, student = draw({200, 3}, 3);
  Moments whole, cut;
  whole.add(student, teacher);
  cut.add(student.slice(0, 0, 70), teacher.slice(0, 0, 70));
  Moments rest;
  rest.add(student.slice(0, 70), teacher.slice(0, 70));
  cut.add(rest);
  const Tensor found = whole.principal_directions(3);
  CHECK((at::mm(found, found.t()) - at::eye(3)).abs().max().item<double>() < 1e-12);
  CHECK((at::mm(at::mm(found, basis.t()), at::mm(basis, found.t())) - at::eye(3)).abs().max().item<double>() < 1e-9);
  CHECK((cut.principal_directions(3) - found).abs().max().item<double>() < 1e-9);

  Projector projector = make(ProjectorSide::student, 3, 12);
  projector.start(whole);
  // Principal coordinates of the teacher, as the student's states, give the teacher's states back.
  const Tensor mean_s = student.mean(0), principal = at::mm(teacher - teacher.mean(0), found.t());
  const Tensor back = projector.of_student(principal + mean_s);
  CHECK((back - teacher).abs().max().item<double>() < 1e-9);
  CHECK((projector.of_student(student).mean(0) - teacher.mean(0)).abs().max().item<double>() < 1e-9);

  Projector same = make(ProjectorSide::student, 12, 12);
  same.start(whole);
  CHECK(same.of_student(teacher).equal(teacher));
}

TEST_CASE("a wider student, and a random start, are taken too") {
  Moments moments;
  moments.add(draw({50, 20}, 1), draw({50, 12}, 2));
  Projector wide = make(ProjectorSide::student, 20, 12);
  wide.start(moments);
  CHECK(wide.of_student(draw({4, 20}, 5)).sizes() == at::IntArrayRef{4, 12});
  for (const auto side : {ProjectorSide::student, ProjectorSide::teacher_frozen, ProjectorSide::teacher_orthogonal}) {
    Projector one = make(side, 8, 12, ProjectorStart::random), two = make(side, 8, 12, ProjectorStart::random);
    one.start(moments);
    two.start(moments);
    const Tensor matrix = one.parameters()[0].weight->master;
    CHECK(matrix.equal(two.parameters()[0].weight->master));
    CHECK(matrix.abs().min().item<double>() > 0);
  }
}

TEST_CASE("a map that is trained freely on the teacher's side shrinks what is to be learnt; ours cannot") {
  const Tensor teacher = draw({64, 12}, 7);
  const double before = teacher.square().mean().item<double>();
  // Trained freely: the loss falls because the target does.
  const Tensor free = (draw({3, 12}, 8) * 0.3).requires_grad_();
  CHECK(left_to_learn({free}, [&] { return at::linear(teacher, free); }) < 1e-3 * before);

  Moments moments;
  moments.add(draw({64, 3}, 9), teacher);
  Projector orthogonal = make(ProjectorSide::teacher_orthogonal, 3, 12);
  orthogonal.start(moments);
  const Tensor matrix = orthogonal.parameters()[0].weight->master;
  const Tensor start = matrix.detach().clone();
  const double kept = left_to_learn({matrix}, [&] { return orthogonal.of_teacher(teacher); });
  CHECK((matrix - start).abs().max().item<double>() > 1e-3);  // it is trained
  // No three orthonormal directions hold less than the three of the smallest variance.
  const Tensor variances = at::linalg_eigvalsh(at::mm(teacher.t(), teacher) / 64.0);
  CHECK(kept >= variances.narrow(0, 0, 3).mean().item<double>() * (1 - 1e-9));
  CHECK(kept > 0.2 * before);

  Projector frozen = make(ProjectorSide::teacher_frozen, 3, 12);
  frozen.start(moments);
  CHECK_FALSE(frozen.parameters()[0].weight->master.requires_grad());
  CHECK_FALSE(frozen.of_teacher(teacher).requires_grad());
  CHECK(frozen.of_teacher(teacher - teacher.mean(0)).square().mean().item<double>() > before);  // the largest variance
}

TEST_CASE("linear CKA: 1 for a rotation and scaling, near 0 for what has nothing in common, 0 for a constant") {
  const Tensor x = draw({4000, 6}, 1), rotation = std::get<0>(at::linalg_qr(draw({6, 6}, 2)));
  const auto similarity = [](const Tensor& a, const Tensor& b) {
    Moments moments;
    moments.add(a, b);
    return moments.similarity();
  };
  CHECK(similarity(x, at::mm(x, rotation) * 3 + 7) == doctest::Approx(1.0).epsilon(1e-9));
  CHECK(similarity(x, draw({4000, 9}, 3)) < 0.01);
  CHECK(similarity(x, at::ones({4000, 2}, at::kDouble)) < 1e-9);
}
