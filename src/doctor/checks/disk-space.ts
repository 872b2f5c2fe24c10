import { errnoOf } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, ok, problem, skipped, warning } from '../findings.ts';
import { freeAt, HIDDEN } from '../space.ts';
import type { DoctorView } from '../view.ts';

interface Store {
  /** For people. */
  readonly path: string;
  readonly reach: string;
  /** Peak of an install, in sizes of the file. */
  readonly factor: number;
  readonly why: string;
}

/** Whether the model's bytes fit where the runtime puts them, at the peak of the install. */
export const diskSpace = defineCheck({
  id: 'disk-space',
  title: 'Disk space',
  async run(view) {
    const store = await storeOf(view);
    if (typeof store === 'string') return skipped(store);
    try {
      return await judge(view, store, await freeAt(view, store.reach));
    } catch (error) {
      if (!HIDDEN.includes(errnoOf(error) ?? '')) throw error;
      return skipped(`This user may not look into ${store.path}; run doctor as root to have its disk checked.`);
    }
  },
});

async function storeOf(view: DoctorView): Promise<Store | string> {
  const target = await view.target();
  if (target === 'none') return 'Nothing would take a model: see the checks of server and embedded runtime.';
  const { data } = view.paths;
  if (target === 'embedded') return { path: data, reach: data, factor: 1, why: 'one copy of the file' };
  if (!view.local()) return 'The server is on another machine: run doctor there.';
  const [folder, { diskFactor, version }] = await Promise.all([view.models(), view.facts()]);
  if (folder === undefined) return 'Where the server keeps its models cannot be seen from here.';
  // Below 1.5 it is one copy and what surrounds it.
  const why =
    diskFactor < 1.5 ? 'one copy of the file' : `Ollama ${version.raw} rewrites the file: ${diskFactor} times its size`;
  return { ...folder, factor: diskFactor, why };
}

async function judge(view: DoctorView, { path, factor, why }: Store, free: number): Promise<Finding> {
  const { label, smallest, typical, named } = await view.subject();
  const told = (bytes: number) => formatBytes(Math.ceil(bytes * factor));
  const has = `${path} has ${formatBytes(free)} free`;
  const exact = smallest.quant === typical.quant;
  if (free < smallest.bytes * factor) {
    const which = exact ? label : `even the smallest quant of ${label} (${smallest.quant})`;
    return problem(
      `${has}; ${which} needs ${told(smallest.bytes)} (${why}).`,
      named
        ? 'Make room there, or choose a smaller model.'
        : 'Make room there, or name a smaller model: gemma-provision doctor MODEL.',
    );
  }
  if (free < typical.bytes * factor) {
    return warning(
      `${has}; ${label} needs ${told(smallest.bytes)} as ${smallest.quant} and ${told(typical.bytes)} as ${typical.quant} (${why}).`,
      'Make room there, or take a smaller quant with --quant.',
    );
  }
  return ok(`${has}; ${label} needs ${told(typical.bytes)}${exact ? '' : ` as ${typical.quant}`} (${why}).`);
}
