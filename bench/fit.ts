/**
 * `npm run bench:fit`: how far the memory estimates are from what llama.cpp and Ollama really allocate, printed and
 * written to docs/fit.md. `--record` measures the ground truth anew first (Linux on x64, a C++ compiler, git);
 * `--record gemma-4` only that of the models whose ids begin so. With
 * `OLLAMA_BIN` or `OLLAMA_HOST` a real server is measured too; what earlier runs found on other versions is kept.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { truthCases } from './fit/cases.ts';
import { compareWith, ggufParser, nodeLlamaCpp, type PeerTable } from './fit/peers.ts';
import { recordTruth } from './fit/record.ts';
import { checkVerdicts } from './fit/refuted.ts';
import { report } from './fit/report.ts';
import { measureServer, type ServerRow } from './fit/servers.ts';
import { readTruth } from './fit/truth.ts';

const PAGE = new URL('../docs/fit.md', import.meta.url);
const SERVERS = new URL('../test/fixtures/fit/servers.json', import.meta.url);

async function main(): Promise<void> {
  const record = process.argv.indexOf('--record');
  if (record >= 0) recordTruth(process.argv[record + 1]);
  const cases = [...truthCases()];
  const peers: PeerTable[] = [];
  for (const peer of [await nodeLlamaCpp(), ...ggufParser()]) peers.push(await compareWith(peer));
  const page = report({
    llamaCpp: readTruth().llamaCpp,
    cases,
    verdicts: checkVerdicts(cases),
    peers,
    servers: await serverRows(),
  });
  writeFileSync(PAGE, page);
  console.log(page);
}

async function serverRows(): Promise<ServerRow[]> {
  const kept: ServerRow[] = JSON.parse(readFileSync(SERVERS, 'utf8'));
  const measured = await measureServer();
  if (measured === undefined) return kept;
  const keyOf = ({ version, model }: ServerRow): string => `${version} ${model}`;
  const again = new Set(measured.map(keyOf));
  const rows = [...kept.filter((row) => !again.has(keyOf(row))), ...measured];
  rows.sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  writeFileSync(SERVERS, `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`);
  return rows;
}

await main();
