// The kernels that a plan may name. One declaration and one line each, by family, in alphabetical order of families.
#include "engine/step.h"

namespace flashbook {

// attention
std::unique_ptr<Step> bind_attention(BindContext&);
std::unique_ptr<Step> bind_attention_grad(BindContext&);
std::unique_ptr<Step> bind_attention_last(BindContext&);

// batch_norm
std::unique_ptr<Step> bind_batch_norm(BindContext&);
std::unique_ptr<Step> bind_batch_norm_frozen(BindContext&);
std::unique_ptr<Step> bind_batch_norm_grad(BindContext&);

// conv
std::unique_ptr<Step> bind_conv2d(BindContext&);
std::unique_ptr<Step> bind_conv2d_grad_input(BindContext&);
std::unique_ptr<Step> bind_conv2d_grad_weight(BindContext&);
std::unique_ptr<Step> bind_max_pool2d(BindContext&);
std::unique_ptr<Step> bind_max_pool2d_grad(BindContext&);
std::unique_ptr<Step> bind_unfold(BindContext&);

// dropout
std::unique_ptr<Step> bind_drop_path(BindContext&);
std::unique_ptr<Step> bind_dropout(BindContext&);
std::unique_ptr<Step> bind_dropout_add(BindContext&);
std::unique_ptr<Step> bind_dropout_add_norm_grad(BindContext&);
std::unique_ptr<Step> bind_gelu_dropout(BindContext&);
std::unique_ptr<Step> bind_gelu_dropout_grad(BindContext&);
std::unique_ptr<Step> bind_gelu_dropout_with_slope(BindContext&);

// elementwise
std::unique_ptr<Step> bind_add(BindContext&);
std::unique_ptr<Step> bind_exp(BindContext&);
std::unique_ptr<Step> bind_log(BindContext&);
std::unique_ptr<Step> bind_gelu(BindContext&);
std::unique_ptr<Step> bind_gelu_grad(BindContext&);
std::unique_ptr<Step> bind_gelu_with_slope(BindContext&);
std::unique_ptr<Step> bind_leaky_relu(BindContext&);
std::unique_ptr<Step> bind_leaky_relu_grad(BindContext&);
std::unique_ptr<Step> bind_mul(BindContext&);
std::unique_ptr<Step> bind_relu(BindContext&);
std::unique_ptr<Step> bind_relu_grad(BindContext&);
std::unique_ptr<Step> bind_scale(BindContext&);
std::unique_ptr<Step> bind_sigmoid(BindContext&);
std::unique_ptr<Step> bind_sigmoid_grad(BindContext&);
std::unique_ptr<Step> bind_standardize(BindContext&);
std::unique_ptr<Step> bind_tanh(BindContext&);
std::unique_ptr<Step> bind_tanh_grad(BindContext&);

// embedding
std::unique_ptr<Step> bind_embedding(BindContext&);
std::unique_ptr<Step> bind_embedding_grad(BindContext&);

// experts
std::unique_ptr<Step> bind_experts(BindContext&);
std::unique_ptr<Step> bind_experts_grad(BindContext&);
std::unique_ptr<Step> bind_load_balance(BindContext&);
std::unique_ptr<Step> bind_route(BindContext&);
std::unique_ptr<Step> bind_route_grad(BindContext&);
std::unique_ptr<Step> bind_router_z_loss(BindContext&);
std::unique_ptr<Step> bind_router_z_loss_grad(BindContext&);

// gemm
std::unique_ptr<Step> bind_linear(BindContext&);
std::unique_ptr<Step> bind_matmul(BindContext&);
std::unique_ptr<Step> bind_matmul_sum_rows(BindContext&);

// layout
std::unique_ptr<Step> bind_concat(BindContext&);
std::unique_ptr<Step> bind_select_step(BindContext&);
std::unique_ptr<Step> bind_select_step_grad(BindContext&);
std::unique_ptr<Step> bind_slice(BindContext&);
std::unique_ptr<Step> bind_transpose(BindContext&);

// loss
std::unique_ptr<Step> bind_soft_cross_entropy(BindContext&);
std::unique_ptr<Step> bind_soft_cross_entropy_grad(BindContext&);
std::unique_ptr<Step> bind_softmax(BindContext&);
std::unique_ptr<Step> bind_softmax_cross_entropy(BindContext&);
std::unique_ptr<Step> bind_softmax_cross_entropy_grad(BindContext&);

// norm
std::unique_ptr<Step> bind_layer_norm(BindContext&);
std::unique_ptr<Step> bind_layer_norm_grad(BindContext&);

// optim
std::unique_ptr<Step> bind_ascend_list(BindContext&);
std::unique_ptr<Step> bind_blend_list(BindContext&);
std::unique_ptr<Step> bind_centre_list(BindContext&);
std::unique_ptr<Step> bind_clamp_list(BindContext&);
std::unique_ptr<Step> bind_clip_norm(BindContext&);
std::unique_ptr<Step> bind_unscale_list(BindContext&);
std::unique_ptr<Step> bind_update_adam(BindContext&);
std::unique_ptr<Step> bind_update_lamb(BindContext&);
std::unique_ptr<Step> bind_update_sgd(BindContext&);

// qgemm
std::unique_ptr<Step> bind_qlinear(BindContext&);
std::unique_ptr<Step> bind_qlinear_static(BindContext&);
std::unique_ptr<Step> bind_quantise_rows(BindContext&);

// recurrent
std::unique_ptr<Step> bind_lstm(BindContext&);
std::unique_ptr<Step> bind_lstm_grad(BindContext&);

// reduce
std::unique_ptr<Step> bind_sum_rows(BindContext&);
std::unique_ptr<Step> bind_sum_squares(BindContext&);

// regression
std::unique_ptr<Step> bind_huber(BindContext&);
std::unique_ptr<Step> bind_huber_grad(BindContext&);
std::unique_ptr<Step> bind_pinball(BindContext&);
std::unique_ptr<Step> bind_pinball_grad(BindContext&);

// rotary
std::unique_ptr<Step> bind_rotary(BindContext&);

// weight_norm
std::unique_ptr<Step> bind_weight_norm(BindContext&);
std::unique_ptr<Step> bind_weight_norm_grad(BindContext&);

namespace {

struct Entry {
  const char* kernel;
  StepFactory factory;
};

constexpr Entry kEntries[] = {
    // attention
    {"attention", bind_attention},
    {"attention_grad", bind_attention_grad},
    {"attention_last", bind_attention_last},

    // batch_norm
    {"batch_norm", bind_batch_norm},
    {"batch_norm_frozen", bind_batch_norm_frozen},
    {"batch_norm_grad", bind_batch_norm_grad},

    // conv
    {"conv2d", bind_conv2d},
    {"conv2d_grad_input", bind_conv2d_grad_input},
    {"conv2d_grad_weight", bind_conv2d_grad_weight},
    {"max_pool2d", bind_max_pool2d},
    {"max_pool2d_grad", bind_max_pool2d_grad},
    {"unfold", bind_unfold},

    // dropout
    {"drop_path", bind_drop_path},
    {"dropout", bind_dropout},
    {"dropout_add", bind_dropout_add},
    {"dropout_add_norm_grad", bind_dropout_add_norm_grad},
    {"gelu_dropout", bind_gelu_dropout},
    {"gelu_dropout_grad", bind_gelu_dropout_grad},
    {"gelu_dropout_with_slope", bind_gelu_dropout_with_slope},

    // elementwise
    {"add", bind_add},
    {"exp", bind_exp},
    {"log", bind_log},
    {"gelu", bind_gelu},
    {"gelu_grad", bind_gelu_grad},
    {"gelu_with_slope", bind_gelu_with_slope},
    {"leaky_relu", bind_leaky_relu},
    {"leaky_relu_grad", bind_leaky_relu_grad},
    {"mul", bind_mul},
    {"relu", bind_relu},
    {"relu_grad", bind_relu_grad},
    {"scale", bind_scale},
    {"sigmoid", bind_sigmoid},
    {"sigmoid_grad", bind_sigmoid_grad},
    {"standardize", bind_standardize},
    {"tanh", bind_tanh},
    {"tanh_grad", bind_tanh_grad},

    // embedding
    {"embedding", bind_embedding},
    {"embedding_grad", bind_embedding_grad},

    // experts
    {"experts", bind_experts},
    {"experts_grad", bind_experts_grad},
    {"load_balance", bind_load_balance},
    {"route", bind_route},
    {"route_grad", bind_route_grad},
    {"router_z_loss", bind_router_z_loss},
    {"router_z_loss_grad", bind_router_z_loss_grad},

    // gemm
    {"linear", bind_linear},
    {"matmul", bind_matmul},
    {"matmul_sum_rows", bind_matmul_sum_rows},

    // layout
    {"concat", bind_concat},
    {"select_step", bind_select_step},
    {"select_step_grad", bind_select_step_grad},
    {"slice", bind_slice},
    {"transpose", bind_transpose},

    // loss
    {"soft_cross_entropy", bind_soft_cross_entropy},
    {"soft_cross_entropy_grad", bind_soft_cross_entropy_grad},
    {"softmax", bind_softmax},
    {"softmax_cross_entropy", bind_softmax_cross_entropy},
    {"softmax_cross_entropy_grad", bind_softmax_cross_entropy_grad},

    // norm
    {"layer_norm", bind_layer_norm},
    {"layer_norm_grad", bind_layer_norm_grad},

    // optim
    {"ascend_list", bind_ascend_list},
    {"blend_list", bind_blend_list},
    {"centre_list", bind_centre_list},
    {"clamp_list", bind_clamp_list},
    {"clip_norm", bind_clip_norm},
    {"unscale_list", bind_unscale_list},
    {"update_adam", bind_update_adam},
    {"update_lamb", bind_update_lamb},
    {"update_sgd", bind_update_sgd},

    // qgemm
    {"qlinear", bind_qlinear},
    {"qlinear_static", bind_qlinear_static},
    {"quantise_rows", bind_quantise_rows},

    // recurrent
    {"lstm", bind_lstm},
    {"lstm_grad", bind_lstm_grad},

    // reduce
    {"sum_rows", bind_sum_rows},
    {"sum_squares", bind_sum_squares},

    // regression
    {"huber", bind_huber},
    {"huber_grad", bind_huber_grad},
    {"pinball", bind_pinball},
    {"pinball_grad", bind_pinball_grad},

    // rotary
    {"rotary", bind_rotary},

    // weight_norm
    {"weight_norm", bind_weight_norm},
    {"weight_norm_grad", bind_weight_norm_grad},
};

}  // namespace

StepFactory find_step(const std::string& kernel) {
  for (const Entry& entry : kEntries) {
    if (kernel == entry.kernel) return entry.factory;
  }
  return nullptr;
}

std::vector<std::string> step_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.push_back(entry.kernel);
  return names;
}

const char* no_such_step() { return "there is no such kernel"; }

}  // namespace flashbook
