/**
 * Start-up against an empty Node, whole processes side by side: node bench/startup.ts [rounds]
 * Goal: any command without work starts within 6x; a start takes at most 250 ms in any case.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contender, median, ratioToFirst, timeInTurns } from './paired.ts';

const root = join(import.meta.dirname, '..');
const home = mkdtempSync(join(tmpdir(), 'gemma-provision-bench-'));
const profile = join(root, 'test/fixtures/profiles/nvidia-rtx-4060-8gb.json');
const cli = (title: string, ...args: string[]): Contender => ({
  title,
  command: process.execPath,
  args: [join(root, 'bin/run.js'), ...args],
  env: { GEMMA_PROVISION_HOME: home },
});

const contenders: (Contender & { goal?: number })[] = [
  { title: 'node -e 0', command: process.execPath, args: ['-e', '0'] },
  { ...cli('--version', '--version'), goal: 6 },
  { ...cli('--help', '--help'), goal: 6 },
  cli('catalog list --json', 'catalog', 'list', '--json'),
  cli('recommend --json --profile', 'recommend', '--json', '--profile', profile),
];

try {
  const times = timeInTurns(contenders, Number(process.argv[2] ?? 25));
  console.log(`${'command'.padEnd(30)} ${'median'.padStart(9)} ${'ratio'.padStart(7)}  goal`);
  contenders.forEach(({ title, goal }, index) => {
    const ms = median(times[index] ?? []).toFixed(1);
    const ratio = ratioToFirst(times, index);
    const verdict = goal === undefined ? '' : `${goal.toFixed(1)}x ${ratio <= goal ? 'met' : 'MISSED'}`;
    console.log(`${title.padEnd(30)} ${`${ms} ms`.padStart(9)} ${`${ratio.toFixed(2)}x`.padStart(7)}  ${verdict}`);
  });
} finally {
  rmSync(home, { recursive: true, force: true });
}
