import type { Family } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { parseModelName } from '../../runtimes/names.ts';
import type { RuntimeFlags } from '../../runtimes/open.ts';
import type { AppContext } from '../context.ts';
import type { InstallReport } from '../install/schema.ts';
import { openSuite } from '../install/smoke.ts';
import { openTemplates } from '../plan/catalog.ts';
import { changing } from './records.ts';
import { rollback } from './rollback.ts';

export interface RollbackFlags extends RuntimeFlags {
  readonly suite?: string | undefined;
  readonly 'no-smoke'?: boolean | undefined;
  readonly force?: boolean | undefined;
}

type Previous = NonNullable<InstallRecord['previous']>;

/** Suite for a model that the catalog does not know. */
const DEFAULT_SUITE = 'gemma';

/** Back to the version before, which has to pass its smoke test first. */
export async function rollbackOf(name: string, flags: RollbackFlags, app: AppContext): Promise<Work<InstallReport>> {
  const { effects } = await changing(name, flags, app);
  const { root, signal } = app.options;
  const options = {
    force: flags.force === true,
    suiteFor: async (previous: Previous) => {
      if (flags['no-smoke'] === true) return undefined;
      const model = (await familyOf(previous, app))?.models.find(({ id }) => id === previous.model);
      return openSuite(root, flags.suite ?? model?.smokeSuite ?? DEFAULT_SUITE);
    },
    known: (previous: Previous) => knownOf(previous, app),
  };
  return rollback(parseModelName(name).text, options, effects, signal);
}

async function familyOf({ family }: Previous, app: AppContext): Promise<Family | undefined> {
  const { families } = await app.catalog();
  return families.find((each) => each.family.id === family)?.family;
}

/** What a suite must know of the model beyond the runtime's word; the template only where it is still the recorded one. */
async function knownOf(previous: Previous, app: AppContext) {
  const [family, { chats }] = await Promise.all([familyOf(previous, app), openTemplates(app.options.root)]);
  const text = chats.get(previous.template.name)?.text;
  const isRecorded = text !== undefined && digestOf(text) === previous.template.digest;
  const stop = family?.tokens.stop ?? [previous.parameters.stop ?? []].flat().map(String);
  return { stop, template: isRecorded ? text : '', ...(family !== undefined && { bos: family.tokens.bos }) };
}
