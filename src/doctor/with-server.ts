import type { ServerFacts } from '../compat/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import { type Finding, skipped } from './findings.ts';
import type { DoctorView } from './view.ts';

/** Runs a check that only makes sense with an Ollama server that answers; the check of the server says why none does. */
export async function withServer(view: DoctorView, check: (facts: ServerFacts) => Promise<Finding>): Promise<Finding> {
  if (view.wanted.runtime === 'embedded') return skipped('No server is used.');
  let facts: ServerFacts;
  try {
    facts = await view.facts();
  } catch (error) {
    if (error instanceof ProvisionError) return skipped('No Ollama server answers.');
    throw error;
  }
  return check(facts);
}

/** The same for what shows only when the server is on this machine. */
export async function withLocalServer(
  view: DoctorView,
  check: (facts: ServerFacts) => Promise<Finding>,
): Promise<Finding> {
  return withServer(view, async (facts) => {
    if (!view.local()) return skipped('The server is on another machine: run doctor there.');
    return check(facts);
  });
}
