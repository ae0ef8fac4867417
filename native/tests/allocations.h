// Tests in allocations.cc, which counts what the process allocates.
#pragma once

namespace flashbook {

void runs_allocate_nothing();

}  // namespace flashbook
