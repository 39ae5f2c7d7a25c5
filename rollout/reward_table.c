#include "rollout/reward_function.h"

extern const reward_function reward_by_model, reward_by_practice;

const reward_function *const reward_functions[] = {&reward_by_practice, &reward_by_model, NULL};
