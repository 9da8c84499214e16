// The only names that Jittor takes from NVIDIA's image library, which has no other use here: limits of integer types.
#pragma once

#define NPP_MIN_32U (0u)
#define NPP_MAX_32U (0xffffffffu)
#define NPP_MIN_32S (-0x7fffffff - 1)
#define NPP_MAX_32S (0x7fffffff)
#define NPP_MIN_64U (0ull)
#define NPP_MAX_64U (0xffffffffffffffffull)
#define NPP_MIN_64S (-0x7fffffffffffffffll - 1)
#define NPP_MAX_64S (0x7fffffffffffffffll)
