#include "rollout/reward_function.h"

#define REWARD_ROW(name_) &name_##_reward,
const reward_function *const reward_functions[] = {REWARD_FUNCTIONS(REWARD_ROW) NULL};
