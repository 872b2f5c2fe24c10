import { messageOf } from '../../core/errors.ts';
import { readRecords } from '../../registry/index.ts';
import type { Record as Installed } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, merged, ok, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';

/** Broken records, and records of models that their runtime no longer holds. */
export const records = defineCheck({
  id: 'records',
  title: 'Records',
  async run(view, signal) {
    const { records: sound, broken } = await readRecords(view.registry);
    const findings: Finding[] = broken.map(({ error }) => warning(error.message, error.suggestions.join('\n')));
    for (const record of sound) findings.push(...(await lostModel(view, record, signal)));
    const count = `${sound.length} ${sound.length === 1 ? 'model is' : 'models are'} recorded.`;
    return merged([ok(count), ...findings]);
  },
});

/** Only runtimes that are in reach are asked; nothing is said of others. */
async function lostModel(view: DoctorView, record: Installed, signal: AbortSignal): Promise<Finding[]> {
  const { name, runtime } = record;
  const remedy = `Install it again, or forget it: gemma-provision remove ${name} --runtime ${runtime.kind}`;
  try {
    const there = await holds(view, record, signal);
    return there === false ? [warning(`${name} is recorded, but ${runtime.kind} no longer holds it.`, remedy)] : [];
  } catch (error) {
    signal.throwIfAborted();
    return [warning(`${name} is recorded, but damaged: ${messageOf(error)}.`, remedy)];
  }
}

/** Undefined when it cannot be told. */
async function holds(view: DoctorView, record: Installed, signal: AbortSignal): Promise<boolean | undefined> {
  const { name, runtime } = record;
  if (runtime.kind === 'embedded') return view.embedded.has(name, signal);
  if (!('endpoint' in view.server) || runtime.endpoint !== view.server.endpoint) return undefined;
  const names = await view.names().catch(() => undefined);
  return names?.some((each) => sameModel(each, name));
}
