// Order id → place in the order pool: an open-addressing hash table with linear probing and backward-shift deletion
// (Knuth, TAOCP 6.4, algorithm R), at most half full. One cache line a look-up nearly always, no tombstones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flashbook {

class OrderIndex {
 public:
  OrderIndex() : slots_(kSmallest, Slot{0, kEmpty}), shift_(64 - 10) {}

  // The place of `id`, or −1.
  int32_t find(int64_t id) const {
    const size_t mask = slots_.size() - 1;
    for (size_t i = home(id);; i = (i + 1) & mask) {
      if (slots_[i].place == kEmpty) return -1;
      if (slots_[i].id == id) return slots_[i].place;
    }
  }

  // `id` must be absent.
  void insert(int64_t id, int32_t place) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    put(id, place);
    size_++;
  }

  // `id` must be present.
  void erase(int64_t id) {
    const size_t mask = slots_.size() - 1;
    size_t hole = home(id);
    while (slots_[hole].id != id || slots_[hole].place == kEmpty) hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; slots_[i].place != kEmpty; i = (i + 1) & mask) {
      // An entry may fill the hole if its home does not lie behind the hole, on the way to the entry.
      if (((i - home(slots_[i].id)) & mask) >= ((i - hole) & mask)) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole].place = kEmpty;
    size_--;
  }

  size_t size() const { return size_; }
  size_t bytes() const { return slots_.size() * sizeof(Slot); }


 private:
  static constexpr int32_t kEmpty = -1;
  static constexpr size_t kSmallest = size_t{1} << 10;

  struct Slot {
    int64_t id;
    int32_t place;
  };

  // Fibonacci hashing: exchanges number orders one after another, and the multiplication spreads them.
  size_t home(int64_t id) const { return static_cast<size_t>((static_cast<uint64_t>(id) * 0x9e3779b97f4a7c15u) >> shift_); }

  void put(int64_t id, int32_t place) {
    const size_t mask = slots_.size() - 1;
    size_t i = home(id);
    while (slots_[i].place != kEmpty) i = (i + 1) & mask;
    slots_[i] = Slot{id, place};
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2, Slot{0, kEmpty});
    old.swap(slots_);
    shift_--;
    for (const Slot& slot : old) {
      if (slot.place != kEmpty) put(slot.id, slot.place);
    }
  }

  std::vector<Slot> slots_;
  int shift_;
  size_t size_ = 0;
};

}  // namespace flashbook
