// What one environment (main thread or worker thread) owns. Nothing of the addon is global but the thread pool.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>

namespace flashbook {

enum class Isa : uint8_t;
class Runner;

struct AddonData {
  Napi::FunctionReference state_class, plan_class;
  std::shared_ptr<Runner> runner;
};

// An error with a `code`, which src/native turns into a FlashbookError of that code.
Napi::Error coded_error(Napi::Env env, const char* code, const std::string& message);

// The instruction set for a plan: the one that is asked for, else the default one. Throws a NATIVE error when there is no such.
Isa chosen_isa(Napi::Env env, const Napi::Value& wanted);

// One line each in addon.cc.
void register_runtime(Napi::Env env, Napi::Object exports);
void register_engine(Napi::Env env, Napi::Object exports);
void register_book(Napi::Env env, Napi::Object exports);
void register_features(Napi::Env env, Napi::Object exports);
void register_augment(Napi::Env env, Napi::Object exports);
void register_finite(Napi::Env env, Napi::Object exports);
void register_peak(Napi::Env env, Napi::Object exports);

}  // namespace flashbook
