// The order book as JavaScript sees it: a whole session in one call, and a book that is fed event by event. src/native/book.ts
// wraps both; nobody else sees them.
#include <napi.h>

#include "addon/addon_data.h"
#include "addon/typed_array.h"
#include "book/rebuild.h"

namespace flashbook {
namespace {

constexpr int kMaxLevels = 1000;

// The data of a typed array of exactly this type and length, else a SHAPE error.
template <class T>
T* column(Napi::Env env, napi_value value, napi_typedarray_type type, int64_t length, const char* name) {
  ArrayView view;
  const bool is_array = view_of(env, value, &view);
  if (!is_array || view.type != type || view.elements != static_cast<size_t>(length) || (length > 0 && view.data == nullptr)) {
    throw coded_error(env, "SHAPE",
                      "expected " + std::string(array_type_name(type)) + "(" + std::to_string(length) + ") for " + name +
                          " but received " +
                          (is_array ? std::string(array_type_name(view.type)) + "(" + std::to_string(view.elements) + ")"
                                    : "no typed array"));
  }
  return static_cast<T*>(view.data);
}

int64_t whole_number(Napi::Env env, napi_value value, int64_t least, int64_t most, const char* name) {
  double number = -1;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= static_cast<double>(least)) ||
      !(number <= static_cast<double>(most)) || number != static_cast<double>(static_cast<int64_t>(number))) {
    throw coded_error(env, "OPTION", "expected an integer between " + std::to_string(least) + " and " + std::to_string(most) +
                                         " for " + name);
  }
  return static_cast<int64_t>(number);
}

// Four columns of `cells` int32 each, from call[first] on.
BookRows book_rows(const Napi::CallbackInfo& call, size_t first, int64_t cells) {
  const Napi::Env env = call.Env();
  return {column<int32_t>(env, call[first], napi_int32_array, cells, "askPrice"),
          column<int32_t>(env, call[first + 1], napi_int32_array, cells, "askSize"),
          column<int32_t>(env, call[first + 2], napi_int32_array, cells, "bidPrice"),
          column<int32_t>(env, call[first + 3], napi_int32_array, cells, "bidSize")};
}

void set_observation(Napi::Object to, const Observation& found) {
  to.Set("side", found.side);
  to.Set("level", found.level);
  to.Set("price", found.price);
  to.Set("size", static_cast<double>(found.size));
  to.Set("expectedPrice", found.expected_price);
  to.Set("expectedSize", static_cast<double>(found.expected_size));
}

template <class F>
auto guarded(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    throw coded_error(env, "NATIVE", "out of memory in the order book");
  }
}

// rebuildBook(length, timeNs, type, orderId, side, price, size, levels, 4 × out, venueLevels, 4 × venue); venueLevels 0: no venue
Napi::Value rebuild_book(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const int64_t length = whole_number(env, call[0], 0, INT32_MAX, "length");
  const EventColumns events{length,
                            column<int64_t>(env, call[1], napi_bigint64_array, length, "timeNs"),
                            column<uint8_t>(env, call[2], napi_uint8_array, length, "type"),
                            column<int64_t>(env, call[3], napi_bigint64_array, length, "orderId"),
                            column<int8_t>(env, call[4], napi_int8_array, length, "side"),
                            column<int32_t>(env, call[5], napi_int32_array, length, "price"),
                            column<int32_t>(env, call[6], napi_int32_array, length, "size")};
  const int levels = static_cast<int>(whole_number(env, call[7], 1, kMaxLevels, "levels"));
  const BookRows snapshots = book_rows(call, 8, length * levels);
  const int venue_levels = static_cast<int>(whole_number(env, call[12], 0, kMaxLevels, "venueLevels"));
  BookRows venue{};
  if (venue_levels > 0) venue = book_rows(call, 13, length * venue_levels);

  RebuildResult result;
  guarded(env, [&] {
    OrderBook book(venue_levels);
    rebuild(&book, events, 0, length, venue_levels > 0 ? &venue : nullptr, venue_levels, snapshots, levels, &result);
  });

  Napi::Object object = Napi::Object::New(env);
  object.Set("fault", static_cast<int>(result.fault));
  object.Set("row", static_cast<double>(result.row));
  object.Set("held", static_cast<double>(result.held));
  object.Set("levelsTaken", static_cast<double>(result.levels_taken));
  object.Set("mismatchedRows", static_cast<double>(result.mismatched_rows));
  object.Set("beyondView", static_cast<double>(result.beyond_view));
  object.Set("firstMismatchRow", static_cast<double>(result.first_mismatch_row));
  set_observation(object, result.first_mismatch);
  return object;
}

// Crossing into native code with an array for each argument costs more than the event itself, so a book has one mailbox: an
// ArrayBuffer that both sides know. Its bytes are asked for anew in each call, so a detached one is an error, not a crash.
struct Mailbox {
  int64_t time_ns;
  int64_t order_id;
  int32_t price;
  int32_t size;
  int32_t type;
  int32_t side;
  double held;
  int32_t rows[1];   // 4 × levels: ask prices, ask sizes, bid prices, bid sizes
};
constexpr size_t kMailboxHead = 40;
static_assert(offsetof(Mailbox, rows) == kMailboxHead, "src/native/book.ts lays the same bytes");

class NativeOrderBook final : public Napi::ObjectWrap<NativeOrderBook> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeOrderBook",
                       {InstanceMethod("apply", &NativeOrderBook::apply), InstanceMethod("seed", &NativeOrderBook::seed),
                        InstanceMethod("observe", &NativeOrderBook::observe), InstanceMethod("read", &NativeOrderBook::read),
                        InstanceMethod("orders", &NativeOrderBook::orders), InstanceMethod("levels", &NativeOrderBook::levels),
                        InstanceMethod("queueAhead", &NativeOrderBook::queue_ahead),
                        InstanceMethod("bytes", &NativeOrderBook::bytes)});
  }

  // new NativeOrderBook(levels, view, mailbox: ArrayBuffer)
  explicit NativeOrderBook(const Napi::CallbackInfo& call)
      : ObjectWrap(call),
        levels_(static_cast<int>(whole_number(call.Env(), call[0], 1, kMaxLevels, "levels"))),
        book_(call[1].ToBoolean() ? levels_ : 0) {
    if (!call[2].IsArrayBuffer()) throw coded_error(call.Env(), "SHAPE", "expected an ArrayBuffer for mailbox");
    mailbox_ = Napi::Persistent(call[2].As<Napi::ArrayBuffer>());
    open();
  }

 private:
  Mailbox* open() {
    Napi::ArrayBuffer buffer = mailbox_.Value();
    if (buffer.Data() == nullptr || buffer.ByteLength() < kMailboxHead + 16 * static_cast<size_t>(levels_)) {
      throw coded_error(Env(), "SHAPE", "the mailbox of the order book is gone or too small");
    }
    return static_cast<Mailbox*>(buffer.Data());
  }

  BookRows rows(Mailbox* mail) const {
    return {mail->rows, mail->rows + levels_, mail->rows + 2 * levels_, mail->rows + 3 * levels_};
  }

  static BookEvent event(const Mailbox* mail) {
    const bool known_type = mail->type >= 1 && mail->type <= 7;   // a type that does not fit its byte must not become another
    const bool known_side = mail->side == 1 || mail->side == -1;
    return {mail->time_ns,
            mail->order_id,
            mail->price,
            mail->size,
            static_cast<uint8_t>(known_type ? mail->type : 0),
            static_cast<int8_t>(known_side ? mail->side : 0)};
  }

  Napi::Value outcome(Mailbox* mail, BookFault fault) {
    mail->held = static_cast<double>(book_.held());
    return Napi::Number::New(Env(), static_cast<int>(fault));
  }

  Napi::Value apply(const Napi::CallbackInfo&) {
    Mailbox* mail = open();
    return outcome(mail, guarded(Env(), [&] { return book_.apply(event(mail)); }));
  }

  Napi::Value seed(const Napi::CallbackInfo&) {
    Mailbox* mail = open();
    return outcome(mail, guarded(Env(), [&] { return book_.seed(rows(mail), event(mail)); }));
  }

  // observe(report) fills `report` with the counts and the first difference.
  void observe(const Napi::CallbackInfo& call) {
    if (!call[0].IsObject()) throw coded_error(Env(), "SHAPE", "expected an object for report");
    Mailbox* mail = open();
    const Observation found = guarded(Env(), [&] { return book_.observe(rows(mail)); });
    Napi::Object report = call[0].As<Napi::Object>();
    report.Set("mismatches", found.mismatches);
    report.Set("taken", found.taken);
    set_observation(report, found);
  }

  void read(const Napi::CallbackInfo&) { book_.write(rows(open()), levels_); }

  Napi::Value orders(const Napi::CallbackInfo&) { return Napi::Number::New(Env(), static_cast<double>(book_.orders())); }

  Napi::Value levels(const Napi::CallbackInfo& call) {
    return Napi::Number::New(Env(), static_cast<double>(book_.levels(static_cast<int>(whole_number(Env(), call[0], -1, 1, "side")))));
  }

  Napi::Value queue_ahead(const Napi::CallbackInfo&) {
    return Napi::Number::New(Env(), static_cast<double>(book_.queue_ahead(open()->order_id)));
  }

  Napi::Value bytes(const Napi::CallbackInfo&) { return Napi::Number::New(Env(), static_cast<double>(book_.bytes())); }

  int levels_;
  OrderBook book_;
  Napi::Reference<Napi::ArrayBuffer> mailbox_;
};

}  // namespace

void register_book(Napi::Env env, Napi::Object exports) {
  exports.Set("rebuildBook", Napi::Function::New(env, rebuild_book, "rebuildBook"));
  exports.Set("NativeOrderBook", NativeOrderBook::define(env));
}

}  // namespace flashbook
