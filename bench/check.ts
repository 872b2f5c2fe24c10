/**
 * `check` against a live server, whole processes side by side: OLLAMA_BIN=… (or OLLAMA_HOST=…) node bench/check.ts [rounds]
 * Goal: at most 1.5x of `--version` plus its HTTP round trips. What the round trips take is measured in the same turns: an
 * empty Node that sends the same requests, less an empty Node. So it includes the loading of node:http, without which no
 * process has a round trip.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOllama, whyNoOllama } from '../test/helpers/ollama-server.ts';
import { type Contender, median, timeInTurns } from './paired.ts';

const GOAL = 1.5;
const root = join(import.meta.dirname, '..');

/** What `check` asks of a server whose version is known, as directly as Node can. */
const REQUESTS = `
  const { get } = require('node:http');
  const ask = (path) => new Promise((resolve, reject) => {
    get('http://' + process.env.OLLAMA_HOST + path, { agent: false }, (response) => {
      let text = '';
      response.on('data', (piece) => { text += piece; }).on('end', () => resolve(text));
    }).on('error', reject);
  });
  Promise.all([ask('/api/version'), ask('/api/tags')]).then((texts) => process.stdout.write(texts.join()));
`;

async function main(rounds: number): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'gemma-provision-bench-'));
  const server = await startOllama();
  const env = { GEMMA_PROVISION_HOME: home, OLLAMA_HOST: server.host };
  const node = (title: string, ...args: string[]): Contender => ({ title, command: process.execPath, args, env });
  const run = join(root, 'bin/run.js');
  const contenders = [
    node('node -e 0', '-e', '0'),
    node('node -e, the same requests', '-e', REQUESTS),
    node('--version', run, '--version'),
    node('check MODEL --json', run, 'check', 'tiny-gemma-3n:q4_k_m', '--json'),
  ];
  try {
    report(contenders, timeInTurns(contenders, rounds));
  } finally {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Of medians, not the median of ratios: a difference of two runs of one round is mostly noise. */
function report(contenders: readonly Contender[], times: readonly number[][]): void {
  const [empty = Number.NaN, requests = Number.NaN, version = Number.NaN, check = Number.NaN] = times.map(median);
  const trips = requests - empty;
  const line = (title: string, ms: number) => console.log(`${title.padEnd(30)} ${ms.toFixed(1).padStart(7)} ms`);
  contenders.forEach(({ title }, index) => {
    line(title, median(times[index] ?? []));
  });
  line('its HTTP round trips', trips);
  const ratio = check / (version + trips);
  console.log(
    `\ncheck / (--version + round trips)  ${ratio.toFixed(2)}x  goal ${GOAL.toFixed(1)}x ${verdictOf(ratio)}`,
  );
  console.log(`(check - round trips) / --version  ${((check - trips) / version).toFixed(2)}x`);
}

function verdictOf(ratio: number): string {
  return ratio <= GOAL ? 'met' : 'MISSED';
}

const missing = whyNoOllama();
if (missing === undefined) await main(Number(process.argv[2] ?? 25));
else {
  console.error(`This measures against a live server: ${missing}.`);
  process.exitCode = 2;
}
