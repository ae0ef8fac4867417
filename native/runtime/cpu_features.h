// What this processor and its operating system can run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/step.h"

namespace flashbook {

const char* isa_name(Isa isa);
bool parse_isa(const std::string& name, Isa* isa);

// Sets that were built, that CPUID reports and whose registers the operating system saves (XCR0). Rising order; scalar
// is always there.
const std::vector<Isa>& available_isas();
bool isa_available(Isa isa);

// The set that plans use unless told otherwise: FLASHBOOK_ISA if it is set, else the highest available one. When
// FLASHBOOK_ISA names a set that does not exist or that this machine lacks, `problem` says so and the result is the
// highest available one.
Isa default_isa(std::string* problem);

// Bytes of a core's second-level cache; 1 MiB where the system does not tell.
int64_t l2_bytes();

// The processor's own name, such as «AMD EPYC 9R14».
std::string cpu_name();

}  // namespace flashbook
