import { posix } from 'node:path';
import { isAtLeast } from '../../compat/version.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, merged, ok, problem, skipped, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';
import { withLocalServer } from '../with-server.ts';

/** Programs that the server starts since 0.30, for every create and every load. */
const HELPERS = ['llama-server', 'llama-quantize'];

/** Whether the running server is the one on disk, and has its helper programs. */
export const serverProgram = defineCheck({
  id: 'server-program',
  title: 'Server program',
  run: (view) =>
    withLocalServer(view, async ({ version }) => {
      const { program, replaced, hidden = 'no reason is known', root = '' } = await view.process();
      if (program === undefined) return skipped(`The server's program cannot be seen: ${hidden}.`);
      const findings: Finding[] = [];
      if (replaced) {
        findings.push(
          warning(
            `${program} was replaced or removed while the server runs: Ollama ${version.raw} is still the old one.`,
            'Restart the server: systemctl restart ollama, or end "ollama serve" and start it again.',
          ),
        );
      }
      if (isAtLeast(version, '0.30.0')) findings.push(...(await missingHelpers(view, program, root)));
      return merged([ok(`The server is ${program}.`), ...findings]);
    }),
});

async function missingHelpers({ files }: DoctorView, program: string, root: string): Promise<Finding[]> {
  const own = posix.dirname(program);
  const folders = [posix.join(own, '../lib/ollama'), posix.join(own, 'lib/ollama'), own];
  const names = await Promise.all(folders.map((folder) => files.list(`${root}${folder}`).catch(() => [])));
  const there = new Set(names.flat());
  const missing = HELPERS.filter((helper) => !there.has(helper));
  if (missing.length === 0) return [];
  return [
    problem(
      `${missing.join(' and ')} should be in ${folders[0]}: without them the server can neither create nor load a model.`,
      'Install the whole Ollama archive, not only its program.',
    ),
  ];
}
