import { ollamaNeeds } from '../../catalog/chat-format.ts';
import { firstWithProjectors, projectorVerdict } from '../../compat/features.ts';
import { serverFacts } from '../../compat/lookup.ts';
import { matrix } from '../../compat/matrix.ts';
import { quantVerdict } from '../../compat/quants.ts';
import { rendererVerdict } from '../../compat/renderers.ts';
import { modelVerdict, type Verdict, verdictFor } from '../../compat/verdict.ts';
import { isAtLeast, parseServerVersion } from '../../compat/version.ts';
import type { Engine } from '../../fit/schema.ts';
import type { ModelNeeds, Refusal, RuntimeFacts } from '../contract.ts';

/** What an Ollama of this version means for a plan; also for a server that is not here. */
export function ollamaFacts(version: string, store?: RuntimeFacts['store']): RuntimeFacts {
  const known = serverFacts(version);
  const refusals = new Map<string, string | undefined>();
  return {
    engine: engineOf(known),
    diskFactor: known.diskFactor,
    ...(store !== undefined && { store }),
    warnings: known.warnings,
    refusal(architecture, model) {
      const verdict = [verdictFor({ architecture, version }), ...modelVerdicts(version, model)].find(({ ok }) => !ok);
      return verdict && { reason: verdict.reason, remedy: verdict.remedy ?? '' };
    },
    quantRefusal(architecture, quant) {
      // A ranking asks for every quant under many settings.
      const key = `${architecture} ${quant}`;
      if (!refusals.has(key)) refusals.set(key, quantRefusal(version, architecture, quant));
      return refusals.get(key);
    },
    projectorRefusal: (architecture) => projectorRefusal(version, architecture),
    pullRefusal(minimumVersion) {
      if (minimumVersion === undefined || isAtLeast(parseServerVersion(version), minimumVersion)) return undefined;
      return {
        reason: `the pre-built model needs Ollama ${minimumVersion} or later; this server is ${version}`,
        remedy: 'Upgrade Ollama, or install a GGUF of your own with --from ./model.gguf.',
      };
    },
  };
}

function modelVerdicts(version: string, model: ModelNeeds | undefined): Verdict[] {
  if (model === undefined) return [];
  const server = parseServerVersion(version);
  const { renderer, model: gate } = ollamaNeeds(model);
  return [
    ...(gate === undefined ? [] : [modelVerdict(gate, server, matrix())]),
    ...(renderer === undefined ? [] : [rendererVerdict(renderer, server, matrix(), model)]),
  ];
}

function quantRefusal(version: string, architecture: string, quant: string): string | undefined {
  // A server without the architecture has no quant of it either: that is reported by `refusal`.
  if (!verdictFor({ architecture, version }).ok) return undefined;
  const { ok, blocking, reason } = quantVerdict(architecture, quant, parseServerVersion(version), matrix());
  return ok || !blocking ? undefined : reason;
}

/** An architecture for which nobody has seen a projector work is not tried. */
function projectorRefusal(version: string, architecture: string): Refusal | undefined {
  const rows = matrix();
  const server = parseServerVersion(version);
  const since = firstWithProjectors(rows);
  if (!isAtLeast(server, since)) {
    const reason = `Ollama ${version} is older than ${since}, the first with which this tool uses projectors`;
    return { reason, remedy: `Upgrade Ollama to ${since} or later, or install without: --vision off.` };
  }
  const row = rows.projectors.find((each) => each.architecture === architecture);
  if (row?.verified === 'inferred')
    return {
      reason: `no Ollama is known to take pictures with ${architecture}`,
      remedy: 'Install without: --vision off.',
    };
  const { ok, reason, remedy = '' } = projectorVerdict(architecture, server, rows);
  return ok ? undefined : { reason, remedy };
}

/** The memory estimate distinguishes two engines within one generation of the matrix. */
function engineOf({ engine, capabilities }: ReturnType<typeof serverFacts>): Engine {
  return engine === 'ollama-b' && capabilities.has('all-logits') ? 'ollama-b0' : engine;
}
