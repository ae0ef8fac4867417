// Int8 product for AVX-512 VNNI; qgemm_panels.h has the idea and the code.
#include "kernels/qgemm/qgemm_panels.h"
