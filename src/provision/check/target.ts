/** What a model asks of a server. Read at once: the promises of node:fs take longer to load than the files to read. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveModel } from '../../catalog/lookup.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import type { CheckTarget } from '../../compat/check.ts';
import { parseJson } from '../../core/parse.ts';
import { type Paths, resolvePaths } from '../paths.ts';

/** What a person asks about, as typed. */
export interface CheckQuestion {
  readonly model?: string | undefined;
  readonly family?: string | undefined;
  readonly from?: string | undefined;
}

/** What a server is asked for, and what people call it. */
export interface Wanted {
  readonly target: CheckTarget;
  /** Model id of the catalog. */
  readonly model?: string;
  readonly family?: string;
  readonly file?: string;
}

/** The question about a model of the catalog, with or without a quant. */
export function wantedModel(family: Family, model: Model, quant: string | undefined): Wanted {
  const { library } = model;
  return {
    model: model.id,
    family: family.id,
    target: {
      ...familyTarget(family),
      ...(quant !== undefined && { quant }),
      ...(library !== undefined && { pull: { library: library.name, minimumVersion: library.minimumVersion } }),
    },
  };
}

/** Architecture and the parameters that a Modelfile of the family sets. */
export function familyTarget(family: Family): CheckTarget {
  const { source: _source, ...sampling } = family.profiles[family.defaultProfile] ?? {};
  return { architecture: family.architecture, parameters: [...Object.keys(sampling), 'num_ctx', 'stop'] };
}

/**
 * A model of the built-in catalog, read from the one file that has it: the family whose id begins the model's is
 * looked at first. Like every built-in file it was checked by the build. Throws `model-not-found`, `quant-not-found`.
 */
export function builtinModel(root: string, typed: string): Wanted {
  const id = typed.trim().replace(/:.*$/s, '');
  const folder = join(root, 'catalog');
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const likely = (name: string) => (id.startsWith(name.replace(/\.json$/, '')) ? name.length : 0);
  names.sort((a, b) => likely(b) - likely(a));
  const families = [];
  for (const name of names) {
    const path = join(folder, name);
    const family = parseJson(readFileSync(path, 'utf8'), {
      name: path,
      code: 'bad-catalog',
      suggestions: ['The built-in catalog is damaged: install gemma-provision again.'],
    }) as Family;
    families.push({ family, origins: [] });
    if (family.models.some((model) => model.id === id)) break;
  }
  const { family, model, quant } = resolveModel({ families }, typed);
  return wantedModel(family, model, quant?.id);
}

/** True for arguments and a home with files of the user, which take the services, schemas and readers to be read. */
export function readsOwnFiles(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): boolean {
  return argv.some((arg) => /^--(from|family|catalog)(=|$)/.test(arg)) || hasOwnFiles(resolvePaths(env));
}

/** True when this host has settings or catalog files of its user: then the short way would overlook them. */
export function hasOwnFiles({ config }: Paths): boolean {
  return ['config.json', 'catalog'].some((name) => existsSync(join(config, name)));
}
