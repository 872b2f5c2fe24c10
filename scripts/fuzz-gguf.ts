/**
 * Throws mutants of GGUF headers at the reader: node scripts/fuzz-gguf.ts [--mutants N] [--seed N]
 * Every mutant must be read, or refused with bad-gguf or truncated-file, in at most 100 ms. Ends with 1 on a failure.
 */
import { parseArgs } from 'node:util';
import { MIB } from '../src/core/units.ts';
import { type FuzzReport, fuzz } from '../test/unit/gguf/fuzzer.ts';

const { values } = parseArgs({
  options: { mutants: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
});
const started = performance.now();
let peakBytes = 0;

function print(report: FuzzReport): void {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  const { mutants, parsed, refused, behaviours, slowestMs, mostRead } = report;
  const refusals = Object.entries(refused)
    .map(([code, count]) => `${code} ${count}`)
    .join(', ');
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${mutants} mutants in ${seconds} s: parsed ${parsed}, ${refusals}; ${behaviours} behaviours, slowest ${slowestMs.toFixed(1)} ms, ` +
      `read at most ${mostRead.toFixed(2)}x, process ${(peakBytes / MIB).toFixed(0)} MiB`,
  );
}

const report = await fuzz({
  mutants: Number(values.mutants),
  seed: Number(values.seed),
  limitMs: 100,
  onProgress: print,
});
print(report);
for (const { why, mutant } of report.failures) console.error(`\n${why}\n${mutant}`);
process.exitCode = report.failures.length > 0 ? 1 : 0;
