/* m ← m + a (x − m),  s ← (1 − a) (s + a (x − m)²): mean and variance with weights (1 − a)^age. A loss that stands out
 * counts as if it lay at the limit, so that a run that stays up there is told once and then is the new mean. */
#include "trainer/loss_watch.h"

#include "base/log.h"

#include <math.h>

bool loss_watch_note(loss_watch *l, double loss) {
    const double weight = l->n < 50 ? 1.0 / (double)(l->n + 1) : 0.02;
    const double limit = l->mean + LOSS_WATCH_SIGMAS * sqrt(l->variance);
    const bool high = l->n >= LOSS_WATCH_WARM && loss > limit, told = high && l->quiet == 0;
    const double d = (high ? limit : loss) - l->mean;
    l->quiet = told ? LOSS_WATCH_WARM : l->quiet ? l->quiet - 1 : 0;
    l->mean += weight * d;
    l->variance = (1 - weight) * (l->variance + weight * d * d);
    l->n++;
    return told;
}

void loss_watch_tell(loss_watch *l, int64_t step, double loss) {
    const loss_watch before = *l;
    if (loss_watch_note(l, loss) && log_rank() == 0)
        log_warn("step %lld: the loss is %.4g, far above the %.4g (+- %.2g) of the steps before; if it stays there, go "
                 "back to a checkpoint with a smaller --lr, or look at this step's records",
                 (long long)step, loss, before.mean, sqrt(before.variance));
}
