/**
 * How a file about a family that exists already changes it. The order of files is: built-in, the user's catalog folder,
 * each `--catalog FILE`; a later file is laid over the result of the earlier ones.
 *
 * | part of the file | what it does |
 * | --- | --- |
 * | `models` | a model with a known id replaces that model whole, in its place; others are added at the end |
 * | `profiles` | a profile with a known name replaces that profile whole; others are added |
 * | `policy.tiers`, `policy.useCases` | an entry with a known id replaces that entry, in its place; others are added |
 * | `minimumVersions` | the file's rows about a software replace all earlier rows about the same software |
 * | `benchmarks` | a row with a known group and name replaces that row; others are added |
 * | `troubleshooting` | an entry with a known id replaces that entry; others are added |
 * | `facts` | added; a fact that is there already word for word is not repeated |
 * | `sourceUpdates` | a source, of a quant or of a projector, whose reference is exactly `was` becomes `now`; where none is, nothing happens |
 * | `architecture` | may only repeat what is there: another architecture is another family |
 * | `version`, `expires` | of the file alone; the family keeps those of the file that defined it |
 * | every other field | replaces the earlier value whole |
 *
 * Nothing can be taken away by an overlay, only replaced.
 */
import type { Benchmark, Fact, Family, FamilyOverlay, MinimumVersion, Model, SourceUpdate } from './schema.ts';

export function overlayFamily(base: Family, overlay: FamilyOverlay): Family {
  const { version: _version, expires: _expires, sourceUpdates = [], ...lasting } = overlay;
  // Undefined members of the overlay would erase what they leave out.
  const plain = Object.fromEntries(Object.entries(lasting).filter(([, value]) => value !== undefined));
  return {
    ...base,
    ...plain,
    profiles: { ...base.profiles, ...overlay.profiles },
    policy: {
      tiers: mergeBy(idOf, base.policy.tiers, overlay.policy?.tiers),
      useCases: mergeBy(idOf, base.policy.useCases, overlay.policy?.useCases),
    },
    minimumVersions: mergeVersions(base.minimumVersions, overlay.minimumVersions ?? []),
    ...(overlay.troubleshooting && {
      troubleshooting: mergeBy(idOf, base.troubleshooting ?? [], overlay.troubleshooting),
    }),
    benchmarks: mergeBy(benchmarkKey, base.benchmarks, overlay.benchmarks),
    facts: mergeBy(factKey, base.facts, overlay.facts),
    models: updateSources(mergeBy(idOf, base.models, overlay.models), sourceUpdates),
  };
}

/** A newer catalog that pins another commit is not changed by what was found out about the old one. */
function updateSources(models: readonly Model[], updates: readonly SourceUpdate[]): Model[] {
  const now = new Map(updates.map((update) => [update.was, update.now]));
  if (now.size === 0) return [...models];
  const updated = <Item extends Pick<Model['quants'][number], 'sources'>>(item: Item): Item => {
    const { sources } = item;
    if (sources === undefined) return item;
    // Two pins of one file may have become one.
    return {
      ...item,
      sources: mergeBy(
        ({ ref }) => ref,
        sources.map((each) => now.get(each.ref) ?? each),
      ),
    };
  };
  return models.map((model) => ({
    ...model,
    quants: model.quants.map(updated),
    ...(model.projectors && { projectors: model.projectors.map(updated) }),
  }));
}

function idOf(entry: { readonly id: string }): string {
  return entry.id;
}

function benchmarkKey(row: Benchmark): string {
  return JSON.stringify([row.group, row.name]);
}

function factKey(fact: Fact): string {
  return JSON.stringify([fact.topic, fact.text]);
}

/** A Map keeps the place of a key that is set again, which is what "replaces in its place" means. */
function mergeBy<Entry>(key: (entry: Entry) => string, base: readonly Entry[], over: readonly Entry[] = []): Entry[] {
  return [...new Map([...base, ...over].map((entry) => [key(entry), entry])).values()];
}

function mergeVersions(base: readonly MinimumVersion[], over: readonly MinimumVersion[]): MinimumVersion[] {
  const replaced = new Set(over.map((row) => row.software));
  return [...base.filter((row) => !replaced.has(row.software)), ...over];
}
