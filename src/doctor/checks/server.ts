import { posix, win32 } from 'node:path';
import { ProvisionError } from '../../core/errors.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, isOneOf, ok, problem, skipped, warning } from '../findings.ts';
import { type DoctorView, FALL_BACK } from '../view.ts';

/** Whether an Ollama server answers; if not, who else has the port, and whether the embedded runtime can stand in. */
export const server = defineCheck({
  id: 'server',
  title: 'Ollama server',
  async run(view) {
    if (view.wanted.runtime === 'embedded') return skipped('Not asked: --runtime embedded uses no server.');
    try {
      const { version } = await view.facts();
      if (view.server instanceof ProvisionError) throw view.server;
      const { endpoint, warnings } = view.server;
      const { passesOn, name, pid } = view.local() ? await view.process() : {};
      const holder = passesOn ? [`The port is held by ${name} (process ${pid}).`] : [];
      const detail = [`Ollama ${version.raw} answers at ${endpoint}.`, ...holder, ...warnings].join(' ');
      return warnings.length === 0
        ? ok(detail)
        : warning(detail, 'Correct the host: --host, GEMMA_PROVISION_HOST or OLLAMA_HOST.');
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      return absent(view, error);
    }
  },
});

async function absent(view: DoctorView, error: ProvisionError): Promise<Finding> {
  const details = [sentence(error.message), ...(await moreOf(view, error))];
  const remedy = error.suggestions.join('\n') || 'Start the server, then run doctor again.';
  if ((await view.target()) !== 'embedded') {
    const why = view.wanted.serverOnly || !isOneOf(error, FALL_BACK) ? [] : ['The embedded runtime cannot stand in.'];
    return problem([...details, ...why].join(' '), remedy);
  }
  return warning([...details, 'An install would use the embedded runtime.'].join(' '), remedy);
}

/** What else can be seen: the process that has the port, or a server program that nobody started. */
async function moreOf(view: DoctorView, { code }: ProvisionError): Promise<string[]> {
  if (view.server instanceof ProvisionError || !view.local()) return [];
  if (code !== 'runtime-unreachable') {
    const { name, pid } = await view.process();
    return name === undefined ? [] : [`The port is served by ${name} (process ${pid}).`];
  }
  const program = await programOf(view);
  return [
    program === undefined ? 'No ollama program is on the PATH.' : `${program} is installed, but does not run there.`,
  ];
}

async function programOf({ env, platform, files }: DoctorView): Promise<string | undefined> {
  const { delimiter, join } = platform === 'win32' ? win32 : posix;
  const name = platform === 'win32' ? 'ollama.exe' : 'ollama';
  for (const folder of (env.PATH ?? '').split(delimiter).filter((each) => each !== '')) {
    const there = await files.stat(join(folder, name)).catch(() => undefined);
    if (there !== undefined && !there.directory) return join(folder, name);
  }
  return undefined;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
