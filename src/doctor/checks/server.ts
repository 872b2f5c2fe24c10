import { posix, win32 } from 'node:path';
import { matrix } from '../../compat/matrix.ts';
import { compareNumbers, isAtLeast, numbersOf } from '../../compat/version.ts';
import type { Env } from '../../core/environment.ts';
import { ProvisionError } from '../../core/errors.ts';
import { allowsFallBack } from '../../runtimes/registry.ts';
import {
  defineCheck,
  type Finding,
  merged,
  ok,
  problem,
  skipped,
  warning,
  withLocalServer,
  withServer,
} from '../check.ts';
import { shown } from '../secrets.ts';
import { variableFindings } from '../variables.ts';
import type { DoctorView } from '../view.ts';

/** Whether an Ollama server answers; if not, which process uses the port, and whether the embedded runtime is available. */
export const server = defineCheck({
  id: 'server',
  title: 'Ollama server',
  async run(view) {
    if (!view.wanted.usesServer) return skipped('Not checked: --runtime embedded uses no server.');
    try {
      const { version } = await view.facts();
      if (view.server instanceof ProvisionError) throw view.server;
      const { endpoint } = view.server;
      const { passesOn, name, pid } = view.local() ? await view.process() : {};
      const holder = passesOn ? [`The port is used by ${name} (process ${pid}).`] : [];
      return ok([`Ollama ${version.raw} answers at ${endpoint}.`, ...holder].join(' '));
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      return noServer(view, error);
    }
  },
});

async function noServer(view: DoctorView, error: ProvisionError): Promise<Finding> {
  const details = [asSentence(error.message), ...(await otherDetails(view, error))];
  const remedy = error.suggestions.join('\n') || 'Start the server, then run doctor again.';
  if ((await view.target()) !== 'own-runtime') {
    const why =
      view.wanted.serverOnly || !allowsFallBack(error) ? [] : ['The embedded runtime is not available as a fallback.'];
    return problem([...details, ...why].join(' '), remedy);
  }
  return warning([...details, 'An install would use the embedded runtime.'].join(' '), remedy);
}

/** Further facts: the process that uses the port, or a server program that is installed but not running. */
async function otherDetails(view: DoctorView, { code }: ProvisionError): Promise<string[]> {
  if (view.server instanceof ProvisionError || !view.local()) return [];
  if (code !== 'runtime-unreachable') {
    const { name, pid } = await view.process();
    return name === undefined ? [] : [`The port is served by ${name} (process ${pid}).`];
  }
  const program = await findProgram(view);
  return [
    program === undefined ? 'No ollama program is on the PATH.' : `${program} is installed, but not running there.`,
  ];
}

async function findProgram({ env, platform, disk }: DoctorView): Promise<string | undefined> {
  const { delimiter, join } = platform === 'win32' ? win32 : posix;
  const name = platform === 'win32' ? 'ollama.exe' : 'ollama';
  for (const folder of (env.PATH ?? '').split(delimiter).filter((each) => each !== '')) {
    const there = await disk.stat(join(folder, name), { bigint: true }).catch(() => undefined);
    if (there !== undefined && !there.isDirectory()) return join(folder, name);
  }
  return undefined;
}

function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** What the server's version implies: too old, too new, a custom build, known vulnerabilities and bugs. */
export const serverVersion = defineCheck({
  id: 'server-version',
  title: 'Server version',
  run: (view) =>
    withServer(view, async ({ version, dangers, warnings }) => {
      const { oldestSupported } = matrix();
      if (!isAtLeast(version, oldestSupported)) {
        return problem(
          `Ollama ${version.raw} is older than ${oldestSupported}, the oldest version this tool works with.`,
          `Upgrade Ollama to ${oldestSupported} or later, or use --runtime embedded.`,
        );
      }
      const known = dangers.map(({ id, title, fixedIn }) => `${id}: ${title} (fixed in ${fixedIn}).`);
      // The lookup reports dangers as warnings too; the others are about the version itself.
      const others = warnings.filter((text) => !dangers.some(({ id }) => text.startsWith(`${id}:`)));
      const lastFix = dangers
        .map(({ fixedIn }) => fixedIn)
        .toSorted(byVersion)
        .at(-1);
      const findings: Finding[] = [
        ...others.map((text) => warning(text, 'Use a released version that this tool knows.')),
        ...(lastFix === undefined ? [] : [warning(known.join(' '), `Upgrade Ollama to ${lastFix} or later.`)]),
      ];
      const [first, ...rest] = findings;
      return first === undefined ? ok(`Ollama ${version.raw} has no known dangers.`) : merged([first, ...rest]);
    }),
});

function byVersion(a: string, b: string): number {
  return compareNumbers(numbersOf(a), numbersOf(b));
}

/** Programs that the server has started since 0.30, for every create and every load. */
const HELPERS = ['llama-server', 'llama-quantize'];

/** Whether the running server is the program on disk, and has its helper programs. */
export const serverProgram = defineCheck({
  id: 'server-program',
  title: 'Server program',
  run: (view) =>
    withLocalServer(view, async ({ version }) => {
      const { program, replaced, hidden = 'no reason is known', root = '' } = await view.process();
      if (program === undefined) return skipped(`The server's program cannot be determined: ${hidden}.`);
      const findings: Finding[] = [];
      if (replaced) {
        findings.push(
          warning(
            `${program} was replaced or removed while the server was running: the old version, Ollama ${version.raw}, is still in use.`,
            'Restart the server: systemctl restart ollama, or end "ollama serve" and start it again.',
          ),
        );
      }
      if (isAtLeast(version, '0.30.0')) findings.push(...(await missingHelpers(view, program, root)));
      return merged([ok(`The server is ${program}.`), ...findings]);
    }),
});

async function missingHelpers({ disk }: DoctorView, program: string, root: string): Promise<Finding[]> {
  const own = posix.dirname(program);
  const folders = [posix.join(own, '../lib/ollama'), posix.join(own, 'lib/ollama'), own];
  const names = await Promise.all(folders.map((folder) => disk.readdir(`${root}${folder}`).catch(() => [])));
  const there = new Set(names.flat());
  const missing = HELPERS.filter((helper) => !there.has(helper));
  if (missing.length === 0) return [];
  return [
    problem(
      `${missing.join(' and ')} should be in ${folders[0]}: without them the server cannot create or load models.`,
      'Install the complete Ollama archive, not only its program.',
    ),
  ];
}

/** Variables that change what the server does: the server's own where they are readable, otherwise those of this environment. */
export const serverEnvironment = defineCheck({
  id: 'server-environment',
  title: 'Server environment',
  run: (view) =>
    withServer(view, async ({ version }) => {
      const here = `Here: ${listVariables(view.env)}.`;
      if (!view.local()) return skipped(`${here} The server's own variables are visible only on its machine.`);
      const { environment, hidden = 'no reason is known', pid } = await view.process();
      if (environment === undefined) {
        // What is set here reaches the server only if it was started from here.
        return skipped(`${here} The server's own variables cannot be read: ${hidden}.`, hiddenRemedy(view));
      }
      const seen = ok(`The server (process ${pid}) has ${listVariables(environment)}. ${here}`);
      const findings: readonly Finding[] = variableFindings(environment, version);
      return merged([seen, ...findings]);
    }),
});

function listVariables(env: Env): string {
  const set = Object.entries(env)
    .filter(([name]) => name.startsWith('OLLAMA_'))
    .map(([name, value = '']) => `${name}=${shown(name, value)}`);
  return set.length === 0 ? 'no OLLAMA_* variable' : set.sort().join(', ');
}

function hiddenRemedy({ platform }: DoctorView): string | undefined {
  return platform === 'linux'
    ? 'Show them with: systemctl show ollama -p Environment, or run doctor as root.'
    : undefined;
}
