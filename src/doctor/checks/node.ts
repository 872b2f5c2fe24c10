import { defineCheck } from '../contract.ts';
import { ok, problem, warning } from '../findings.ts';

/** `engines.node` of this package. */
const OLDEST = [22, 20] as const;

/** Last day with security fixes, by major version (schedule.json of nodejs/Release); later majors are not listed yet. */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
};

const REMEDY = 'Install the newest long-term release of Node.';

/** Whether this Node is one that the tool was made for, and still gets security fixes. */
export const node = defineCheck({
  id: 'node',
  title: 'Node version',
  async run({ nodeVersion, now }) {
    const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      return problem(
        `Node ${nodeVersion} is older than ${OLDEST.join('.')}, the oldest that this tool supports.`,
        REMEDY,
      );
    }
    const end = END_OF_LIFE[major];
    if (end !== undefined && now() > Date.parse(end)) {
      return warning(`Node ${nodeVersion} has had no security fixes since ${end}.`, REMEDY);
    }
    return ok(`Node ${nodeVersion}${end === undefined ? '' : `, supported until ${end}`}.`);
  },
});
