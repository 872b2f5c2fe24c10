import { posix } from 'node:path';
import { isAtLeast } from '../../compat/version.ts';
import type { Gpu } from '../../hardware/schema.ts';
import { defineCheck } from '../contract.ts';
import { isTrue, ollamaValue } from '../environment.ts';
import { type Finding, ok, skipped, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';
import { withLocalServer } from '../with-server.ts';

/** Whether a GPU of this machine is left idle: the same model is then many times slower. */
export const gpu = defineCheck({
  id: 'gpu',
  title: 'GPU',
  async run(view) {
    const { gpus } = await view.profile();
    if (gpus.length === 0) return ok('This machine has no GPU that could be found: models run on the processor.');
    if (view.wanted.runtime === 'embedded') return embedded(view, gpus);
    return withLocalServer(view, async ({ version, engine }) => {
      const loaded = await view.loaded().catch(() => []);
      const known = loaded.filter(({ size_vram }) => size_vram !== undefined);
      const usable = await usableBy(view, gpus);
      if (known.some(({ size_vram = 0 }) => size_vram > 0)) return inUse(usable.length > 0 ? usable : gpus, known);
      if (usable.length === 0) return leftAlone(gpus, engine === 'ollama-b');
      if (known.length > 0) return inUse(usable, known);
      if (await hasNoGpuLibraries(view, isAtLeast(version, '0.6.0'))) {
        return warning(
          `${names(usable)} cannot be used: this build of Ollama has no library for GPUs.`,
          'Install the whole Ollama archive (or the image with GPU support), not a build for processors alone.',
        );
      }
      return skipped(`${names(usable)}: whether the server uses it shows when a model is loaded, and none is.`);
    });
  },
});

/** A GPU inside a processor counts when the server was told to take it, whatever is set here. */
async function usableBy(view: DoctorView, gpus: readonly Gpu[]): Promise<readonly Gpu[]> {
  const { environment = {} } = await view.process();
  if (isTrue(ollamaValue(environment, 'OLLAMA_IGPU_ENABLE'))) return gpus;
  return gpus.filter(({ backend }) => backend !== 'none');
}

function names(gpus: readonly Gpu[]): string {
  return [...new Set(gpus.map(({ model }) => model))].join(', ');
}

function embedded({ env }: DoctorView, gpus: readonly Gpu[]): Finding {
  if (env.GEMMA_PROVISION_GPU !== 'off') {
    return skipped(`${names(gpus)}: the embedded runtime uses it where a GPU build of node-llama-cpp is installed.`);
  }
  return warning(
    `${names(gpus)} is not used: GEMMA_PROVISION_GPU=off keeps the embedded runtime on the processor.`,
    'Unset GEMMA_PROVISION_GPU.',
  );
}

function leftAlone(gpus: readonly Gpu[], dropsIntegrated: boolean): Finding {
  if (!dropsIntegrated) return ok(`${names(gpus)} is no GPU that Ollama computes on: models run on the processor.`);
  return warning(
    `${names(gpus)} is part of the processor: since 0.30 Ollama leaves such a GPU alone, so models run on the processor.`,
    'Start the server with OLLAMA_IGPU_ENABLE=1 to try it; measure, since it is not always faster.',
  );
}

function inUse(
  gpus: readonly Gpu[],
  loaded: readonly { name: string; size?: number | undefined; size_vram?: number | undefined }[],
): Finding {
  const off = loaded.filter(({ size_vram = 0 }) => size_vram === 0).map(({ name }) => name);
  if (off.length > 0) {
    return warning(
      `${names(gpus)} is there, but ${off.join(' and ')} runs on the processor alone.`,
      "Look at the server's log for why it took no GPU: the driver, the group of its user (video, render), a container without the GPU, too little free VRAM.",
    );
  }
  const partly = loaded.filter(({ size = 0, size_vram = 0 }) => size_vram < size).map(({ name }) => name);
  if (partly.length === 0) return ok(`${names(gpus)} holds all of ${loaded.map(({ name }) => name).join(' and ')}.`);
  return warning(
    `${names(gpus)} holds only a part of ${partly.join(' and ')}; the rest runs on the processor.`,
    'Choose a smaller quant or a shorter context: gemma-provision recommend.',
  );
}

/** True only when the folder of libraries is there and shows none; releases before 0.6 kept them elsewhere. */
async function hasNoGpuLibraries(view: DoctorView, keepsThemThere: boolean): Promise<boolean> {
  const { program, root = '' } = await view.process();
  if (program === undefined || !keepsThemThere) return false;
  const folder = posix.join(posix.dirname(program), '../lib/ollama');
  const libraries = await view.files.list(`${root}${folder}`).catch(() => []);
  return libraries.length > 0 && !libraries.some((name) => /cuda|rocm|hip|vulkan/i.test(name));
}
