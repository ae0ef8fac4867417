// Int8 product for AVX2 and AVX-512 without VNNI; qgemm_panels.h has the idea and the code.
#include "kernels/qgemm/qgemm_panels.h"
