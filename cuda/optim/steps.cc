// Steps over lists of tensors: update_adam, update_sgd, update_lamb, clip_norm {maxNorm}, unscale_list, clamp_list {limit}, centre_list, blend_list,
// ascend_list {rho, eta}. Operands are read by the TensorList of native/engine/steps, hyper-parameters by the kernels.
#include "cuda/optim/optim.h"

#include "cuda/engine/device_array.h"
#include "cuda/engine/steps.h"
#include "engine/steps/tensor_list.h"

namespace flashbook {
namespace {

using namespace cuda::optim;
using Name = std::vector<const char*>;

const Name kMoments = {"param", "grad", "m", "v"};
const Name kBuffer = {"param", "grad", "buffer"};
const Name kGrad = {"grad"};
const Name kBlend = {"to", "from"};
const Name kAscent = {"param", "grad"};

// The table of stretches on the device, and the costs of a pass over the list.
class Table {
 public:
  Table(const TensorList& list, size_t each) : stretches_(table(list, each)), count_(static_cast<int64_t>(list.stretches().size())) {
    if (count_ > INT32_MAX) throw BindError("expected fewer than 2^31 stretches of " + std::to_string(kStretch) + " elements");
  }
  List list() const { return {stretches_.data(), count_}; }
  int64_t count() const { return count_; }

 private:
  static std::vector<cuda::optim::Stretch> table(const TensorList& list, size_t each) {
    std::vector<cuda::optim::Stretch> rows;
    for (const flashbook::Stretch& s : list.stretches()) {
      cuda::optim::Stretch row{};
      for (size_t k = 0; k < each; ++k) row.at[k] = list.at(s, k);
      row.count = static_cast<int32_t>(s.count);
      row.tensor = static_cast<int32_t>(s.tensor);
      rows.push_back(row);
    }
    return rows;
  }

  cuda::DeviceArray<cuda::optim::Stretch> stretches_;
  int64_t count_;
};

cuda::Cost cost(const TensorList& list, double flops, double streams) {
  return {.flops = flops * static_cast<double>(list.elements()), .bytes = 4.0 * streams * static_cast<double>(list.elements())};
}

struct Shared { const float *hyper, *coefficient; };

Shared shared_of(const BindContext& context, const TensorList& list) {
  return {expect(context.input(list.shared(0)), DType::f32, {list.tensors(), 8}, "hyper").as<float>(),
          expect(context.input(list.shared(1)), DType::f32, {1}, "coefficient").as<float>()};
}

std::unique_ptr<Step> bind_update(BindContext& context, const Name& each, const std::vector<size_t>& stored, double flops,
                                  decltype(&adam) launch) {
  const TensorList list(context, each, 2);
  const Shared shared = shared_of(context, list);
  list.expect_outputs(context, stored, each, 0);
  return cuda::step(cost(list, flops, static_cast<double>(each.size() + stored.size())),
                    [=, table = Table(list, each.size())](RunContext&) {
                      return launch(table.list(), shared.hyper, shared.coefficient, cuda::stream());
                    });
}

}  // namespace

std::unique_ptr<Step> bind_update_adam(BindContext& context) { return bind_update(context, kMoments, {0, 2, 3}, 14, adam); }
std::unique_ptr<Step> bind_update_sgd(BindContext& context) { return bind_update(context, kBuffer, {0, 2}, 7, sgd); }

std::unique_ptr<Step> bind_update_lamb(BindContext& context) {
  const TensorList list(context, kMoments, 2);
  const Shared shared = shared_of(context, list);
  list.expect_outputs(context, {0, 2, 3}, kMoments, 0);
  std::vector<int32_t> first = {0};   // of each tensor, and their number
  for (int64_t t = 0, i = 0; t < list.tensors(); ++t) {
    while (i < static_cast<int64_t>(list.stretches().size()) && list.stretches()[static_cast<size_t>(i)].tensor == t) ++i;
    first.push_back(static_cast<int32_t>(i));
  }
  const int64_t tensors = list.tensors();
  context.workspace(list.stretches().size() * 2 * sizeof(double) + static_cast<size_t>(tensors) * sizeof(float));
  return cuda::step(cost(list, 24, 7), [=, table = Table(list, 4), firsts = cuda::DeviceArray<int32_t>(first)](RunContext& run) {
    double* sums = reinterpret_cast<double*>(run.workspace);                  // two a stretch
    float* rates = reinterpret_cast<float*>(sums + 2 * table.count());        // one a tensor
    return lamb(table.list(), shared.hyper, shared.coefficient, firsts.data(), tensors, sums, rates, cuda::stream());
  });
}

std::unique_ptr<Step> bind_clip_norm(BindContext& context) {
  const TensorList list(context, kGrad, 0);
  const double max_norm = context.number("maxNorm");
  if (context.output_count() != 2) throw BindError("expected 2 outputs but received " + std::to_string(context.output_count()));
  float* coefficient = expect(context.output(0), DType::f32, {1}, "coefficient").as<float>();
  float* norm = expect(context.output(1), DType::f32, {1}, "norm").as<float>();
  context.workspace(list.stretches().size() * sizeof(double));
  return cuda::step(cost(list, 2, 1), [=, table = Table(list, 1)](RunContext& run) {
    return clip_norm(table.list(), max_norm, reinterpret_cast<double*>(run.workspace), coefficient, norm, cuda::stream());
  });
}

std::unique_ptr<Step> bind_unscale_list(BindContext& context) {
  const TensorList list(context, kGrad, 1);
  const float* factor = expect(context.input(list.shared(0)), DType::f32, {1}, "factor").as<float>();
  list.expect_outputs(context, {0}, kGrad, 1);
  float* norm = expect(context.output(static_cast<size_t>(list.tensors())), DType::f32, {1}, "norm").as<float>();
  context.workspace(list.stretches().size() * sizeof(double));
  return cuda::step(cost(list, 3, 2), [=, table = Table(list, 1)](RunContext& run) {
    return unscale(table.list(), factor, reinterpret_cast<double*>(run.workspace), norm, cuda::stream());
  });
}

std::unique_ptr<Step> bind_clamp_list(BindContext& context) {
  const TensorList list(context, kGrad, 0);
  const float limit = static_cast<float>(context.number("limit"));
  if (!(limit > 0)) attribute_error("limit", "a number above 0", limit);
  list.expect_outputs(context, {0}, kGrad, 0);
  return cuda::step(cost(list, 2, 2),
                    [=, table = Table(list, 1)](RunContext&) { return clamp(table.list(), limit, cuda::stream()); });
}

std::unique_ptr<Step> bind_centre_list(BindContext& context) {
  const TensorList list(context, kGrad, 0);
  list.expect_outputs(context, {0}, kGrad, 0);
  std::vector<Row> rows;
  for (int64_t t = 0; t < list.tensors(); ++t) {
    const std::vector<int64_t>& shape = list.shape(t);
    if (shape.size() < 2) continue;
    int64_t columns = 1;
    for (size_t d = 1; d < shape.size(); ++d) columns *= shape[d];
    for (int64_t r = 0; r < shape[0]; ++r) rows.push_back({list.whole(t, 0) + r * columns, columns});
  }
  const int64_t count = static_cast<int64_t>(rows.size());
  return cuda::step(cost(list, 2, 2), [=, table = cuda::DeviceArray<Row>(rows)](RunContext&) {
    return centre(table.data(), count, cuda::stream());
  });
}

std::unique_ptr<Step> bind_blend_list(BindContext& context) {
  const TensorList list(context, kBlend, 1);
  const float* weights = expect(context.input(list.shared(0)), DType::f32, {2}, "weights").as<float>();
  list.expect_outputs(context, {0}, kBlend, 0);
  return cuda::step(cost(list, 3, 3),
                    [=, table = Table(list, 2)](RunContext&) { return blend(table.list(), weights, cuda::stream()); });
}

std::unique_ptr<Step> bind_ascend_list(BindContext& context) {
  const TensorList list(context, kAscent, 1);
  const double rho = context.number("rho");
  const float eta = static_cast<float>(context.number("eta"));
  if (!(rho >= 0)) attribute_error("rho", "a number of at least 0", rho);
  if (!(eta >= 0)) attribute_error("eta", "a number of at least 0", eta);
  const float* adaptive = expect(context.input(list.shared(0)), DType::f32, {list.tensors()}, "adaptive").as<float>();
  list.expect_outputs(context, {0}, kAscent, 1);
  float* norm = expect(context.output(static_cast<size_t>(list.tensors())), DType::f32, {1}, "norm").as<float>();
  context.workspace((list.stretches().size() + 1) * sizeof(double));
  return cuda::step(cost(list, 8, 5), [=, table = Table(list, 2)](RunContext& run) {
    return ascend(table.list(), adaptive, rho, eta, reinterpret_cast<double*>(run.workspace), norm, cuda::stream());
  });
}

}  // namespace flashbook
