import { posix } from 'node:path';
import { isAtLeast } from '../../compat/version.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { isTrue, ollamaValue } from '../../hardware/ollama-environment.ts';
import type { Gpu } from '../../hardware/schema.ts';
import { defineCheck, type Finding, findingOf, ok, problem, skipped, warning, withLocalServer } from '../check.ts';
import type { DoctorView } from '../view.ts';

/** Whether the embedded runtime is installed; where an install would use it, also whether it really runs on this machine. */
export const embedded = defineCheck({
  id: 'embedded',
  title: 'Embedded runtime',
  async run(view, signal) {
    const needed = !view.wanted.serverOnly && (await view.target()) !== 'server';
    try {
      const version = await view.embedded.version(signal);
      if (!needed) return ok(`node-llama-cpp ${version} is installed; an install would use the server.`);
      await view.embedded.tryOut(signal);
      return ok(`node-llama-cpp ${version} loads a model and answers.`);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProvisionError)) throw error;
      return needed ? findingOf('problem', error) : skipped(`${error.message} An install would use the server.`);
    }
  },
});

/** Whether a GPU of this machine stays idle: the same model is then many times slower. */
export const gpu = defineCheck({
  id: 'gpu',
  title: 'GPU',
  async run(view) {
    const { gpus } = await view.profile();
    if (gpus.length === 0) return ok('No GPU was found on this machine: models run on the processor.');
    if (!view.wanted.usesServer) return gpuForEmbedded(view, gpus);
    return withLocalServer(view, async ({ version, engine }) => {
      const loaded = await view.loaded().catch(() => []);
      const known = loaded.filter(({ size_vram }) => size_vram !== undefined);
      const usable = await usableBy(view, gpus);
      if (known.some(({ size_vram = 0 }) => size_vram > 0)) return gpuInUse(usable.length > 0 ? usable : gpus, known);
      if (usable.length === 0) return gpuIgnored(gpus, engine === 'ollama-b');
      if (known.length > 0) return gpuInUse(usable, known);
      if (await hasNoGpuLibraries(view, isAtLeast(version, '0.6.0'))) {
        return warning(
          `${modelNames(usable)} cannot be used: this build of Ollama has no GPU libraries.`,
          'Install the complete Ollama archive (or the image with GPU support), not a CPU-only build.',
        );
      }
      return skipped(
        `${modelNames(usable)}: whether the server uses it is visible only while a model is loaded, and none is.`,
      );
    });
  },
});

/** An integrated GPU counts when the server's own environment enables it, whatever is set in this one. */
async function usableBy(view: DoctorView, gpus: readonly Gpu[]): Promise<readonly Gpu[]> {
  const { environment = {} } = await view.process();
  if (isTrue(ollamaValue(environment, 'OLLAMA_IGPU_ENABLE'))) return gpus;
  return gpus.filter(({ backend }) => backend !== 'none');
}

function modelNames(gpus: readonly Gpu[]): string {
  return [...new Set(gpus.map(({ model }) => model))].join(', ');
}

function gpuForEmbedded({ env }: DoctorView, gpus: readonly Gpu[]): Finding {
  if (env.GEMMA_PROVISION_GPU !== 'off') {
    return skipped(
      `${modelNames(gpus)}: the embedded runtime uses it where a GPU build of node-llama-cpp is installed.`,
    );
  }
  return warning(
    `${modelNames(gpus)} is not used: GEMMA_PROVISION_GPU=off keeps the embedded runtime on the processor.`,
    'Unset GEMMA_PROVISION_GPU.',
  );
}

function gpuIgnored(gpus: readonly Gpu[], dropsIntegrated: boolean): Finding {
  if (!dropsIntegrated)
    return ok(`${modelNames(gpus)} is not a GPU that Ollama supports: models run on the processor.`);
  return warning(
    `${modelNames(gpus)} is part of the processor: since 0.30 Ollama ignores such GPUs, so models run on the processor.`,
    'Start the server with OLLAMA_IGPU_ENABLE=1 to try it; measure, since it is not always faster.',
  );
}

function gpuInUse(
  gpus: readonly Gpu[],
  loaded: readonly { name: string; size?: number | undefined; size_vram?: number | undefined }[],
): Finding {
  const off = loaded.filter(({ size_vram = 0 }) => size_vram === 0).map(({ name }) => name);
  if (off.length > 0) {
    return warning(
      `${modelNames(gpus)} is available, but ${off.join(' and ')} runs only on the processor.`,
      "Check the server's log for why it uses no GPU: the driver, the group of its user (video, render), a container without the GPU, too little free VRAM.",
    );
  }
  const partly = loaded.filter(({ size = 0, size_vram = 0 }) => size_vram < size).map(({ name }) => name);
  if (partly.length === 0) return ok(`${modelNames(gpus)} has all of ${loaded.map(({ name }) => name).join(' and ')}.`);
  return warning(
    `${modelNames(gpus)} has only a part of ${partly.join(' and ')}; the rest runs on the processor.`,
    'Choose a smaller quant or a shorter context: gemma-provision recommend.',
  );
}

/** True only when the folder of libraries exists and has none for GPUs; releases before 0.6 used another folder. */
async function hasNoGpuLibraries(view: DoctorView, usesThisFolder: boolean): Promise<boolean> {
  const { program, root = '' } = await view.process();
  if (program === undefined || !usesThisFolder) return false;
  const folder = posix.join(posix.dirname(program), '../lib/ollama');
  const libraries = await view.disk.readdir(`${root}${folder}`).catch(() => []);
  return libraries.length > 0 && !libraries.some((name) => /cuda|rocm|hip|vulkan/i.test(name));
}

/** `engines.node` of this package. */
const OLDEST_NODE = [22, 20] as const;

/** Last day with security fixes, by major version (schedule.json of nodejs/Release); later majors are not listed yet. */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
};

const NODE_REMEDY = 'Install the latest long-term release of Node.';

/** Whether this version of Node is supported by the tool, and still gets security fixes. */
export const node = defineCheck({
  id: 'node',
  title: 'Node version',
  async run({ nodeVersion, now }) {
    const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
    if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
      return problem(
        `Node ${nodeVersion} is older than ${OLDEST_NODE.join('.')}, the oldest version that this tool supports.`,
        NODE_REMEDY,
      );
    }
    const end = END_OF_LIFE[major];
    if (end !== undefined && now() > Date.parse(end)) {
      return warning(`Node ${nodeVersion} has had no security fixes since ${end}.`, NODE_REMEDY);
    }
    return ok(`Node ${nodeVersion}${end === undefined ? '' : `, supported until ${end}`}.`);
  },
});

/** Node 22.20.0, the oldest that runs this tool, was released on that day: no correct clock shows an earlier one. */
const EARLIEST = Date.UTC(2025, 8, 24);
const DAY_MS = 86_400_000;
/** Beyond this, times in logs and records of two machines are no longer comparable. */
const SKEW_MS = 5 * 60_000;

const CLOCK_REMEDY = 'Set the clock, preferably with a time service: timedatectl set-ntp true.';

/** Whether the clock is far off: certificates then count as expired or not yet valid, and records get wrong times. */
export const clock = defineCheck({
  id: 'clock',
  title: 'Clock',
  async run(view, signal) {
    const now = view.now();
    const time = new Date(now).toISOString();
    if (now < EARLIEST) {
      const why = 'which is before this tool existed; secure downloads fail with such a clock';
      return problem(`The clock shows ${time}, ${why}.`, CLOCK_REMEDY);
    }
    const installed = await view.disk.stat(view.ownFile, { bigint: true }).then(
      ({ mtimeNs }) => Number(mtimeNs / 1_000_000n),
      () => 0,
    );
    if (now < installed - DAY_MS) {
      return warning(`The clock shows ${time}, which is before this tool was installed.`, CLOCK_REMEDY);
    }
    const skew = await clockSkew(view, signal);
    if (skew === undefined) return ok(`The clock shows ${time}; there is no server to compare it with.`);
    if (Math.abs(skew) <= SKEW_MS) return ok(`The clock shows ${time}, the same as the server.`);
    const side = skew > 0 ? 'ahead of' : 'behind';
    return warning(
      `The server's clock is ${formatDuration(Math.abs(skew))} ${side} this machine's, which shows ${time}.`,
      'Set both clocks with a time service.',
    );
  },
});

/** Milliseconds that the server's clock is ahead; undefined when no server reports its time. */
async function clockSkew(view: DoctorView, signal: AbortSignal): Promise<number | undefined> {
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
