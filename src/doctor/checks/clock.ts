import { formatDuration } from '../../core/units.ts';
import { defineCheck } from '../contract.ts';
import { ok, problem, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';

/** Node 22.20.0, the oldest that runs this tool, was released on that day: no true clock is before it. */
const FLOOR = Date.UTC(2025, 8, 24);
const DAY_MS = 86_400_000;
/** Beyond this, times in logs and records of two machines cannot be compared any more. */
const SKEW_MS = 5 * 60_000;

const REMEDY = 'Set the clock, best by a time service: timedatectl set-ntp true.';

/** Whether the clock is far off: certificates then count as expired or not yet valid, and records get wrong times. */
export const clock = defineCheck({
  id: 'clock',
  title: 'Clock',
  async run(view, signal) {
    const now = view.now();
    const told = new Date(now).toISOString();
    if (now < FLOOR) {
      const why = 'which is before this tool could exist; secure downloads fail with such a clock';
      return problem(`The clock says ${told}, ${why}.`, REMEDY);
    }
    const installed = await view.files.stat(view.ownFile).then(
      ({ modifiedMs }) => modifiedMs,
      () => 0,
    );
    if (now < installed - DAY_MS) {
      return warning(`The clock says ${told}, which is before this tool was put on this machine.`, REMEDY);
    }
    const skew = await skewOf(view, signal);
    if (skew === undefined) return ok(`The clock says ${told}; no server to compare it with.`);
    if (Math.abs(skew) <= SKEW_MS) return ok(`The clock says ${told}, in step with the server.`);
    const side = skew > 0 ? 'ahead of' : 'behind';
    return warning(
      `The server's clock is ${formatDuration(Math.abs(skew))} ${side} this machine's, which says ${told}.`,
      'Set both clocks by a time service.',
    );
  },
});

/** Milliseconds that the server's clock is ahead; undefined when no server tells its time. */
async function skewOf(view: DoctorView, signal: AbortSignal): Promise<number | undefined> {
  if (!('endpoint' in view.server)) return undefined;
  const answering = await view.facts().then(
    () => true,
    () => false,
  );
  if (!answering) return undefined;
  const { endpoint, headers } = view.server;
  const before = view.now();
  const answer = await view.get(`${endpoint}/api/version`, { headers, signal }).catch(() => undefined);
  const theirs = Date.parse(answer?.date ?? '');
  // The header has whole seconds and was written somewhere between question and answer.
  return Number.isNaN(theirs) ? undefined : theirs - (before + view.now()) / 2;
}
