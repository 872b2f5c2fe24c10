/** The plan of an install that makes again exactly what a record says. */
import { chatTemplateNames } from '../../catalog/chat-format.ts';
import { findByArchitecture } from '../../catalog/lookup.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { projectorFacts } from '../../gguf/projector.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';
import { RAW_TEMPLATE } from '../../modelfile/templates.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { asBase } from './chat-template.ts';
import type { InstallPlan, PlannedProjector, PlanningInputs, SourceFile } from './contract.ts';
import { identifyByHeader } from './identify.ts';
import { stagingNameOf } from './names.ts';
import { expectedPrompt } from './plan-install.ts';
import { fileNameOf } from './quant-places.ts';

type Inputs = Pick<
  PlanningInputs,
  'catalog' | 'runtime' | 'facts' | 'chatTemplate' | 'referenceTemplate' | 'readHeader'
>;

/**
 * The same model, quant, template, parameters and licence from a file with the recorded bytes; carry it out with `install`
 * and `force`. Throws `needs-repair` where this version of the tool cannot make the same: its template or licence text is
 * another one, or the model came from the runtime's own library.
 */
export async function planReinstall(
  record: InstallRecord,
  file: SourceFile,
  inputs: Inputs,
  projector?: SourceFile,
): Promise<InstallPlan> {
  const header = await inputs.readHeader(file);
  const { family, model } =
    knownModel(record, inputs) ?? identifyByHeader(inputs.catalog, header, fileNameOf(file), record.family);
  return {
    family,
    model: record.template.name === RAW_TEMPLATE ? asBase(model) : model,
    quant: record.quant,
    name: record.name,
    stagingName: stagingNameOf(record.name),
    runtime: inputs.runtime,
    source: {
      kind: 'file',
      file,
      spec: await specOf(record, family, header, inputs),
      ...(await projectorOf(record, projector, inputs)),
    },
    prompt: await expectedPrompt(record.template.name, header, inputs),
    reasons: record.choice.reasons,
    ...(record.choice.useCase !== undefined && { useCase: record.choice.useCase }),
    ...(record.choice.policy !== undefined && { policy: record.choice.policy }),
    automatic: record.choice.automatic === true,
    engine: inputs.facts.engine,
    wholeOnGpu: false,
    disk: [],
    bytesToMove: file.sizeBytes,
    obstacles: [],
    warnings: [],
  };
}

/** Throws `needs-repair` where the model has a projector and its file is nowhere. */
async function projectorOf(
  { name, projector }: InstallRecord,
  file: SourceFile | undefined,
  inputs: Inputs,
): Promise<{ readonly projector?: PlannedProjector }> {
  if (projector === undefined) return {};
  const { id, serves, source } = projector;
  if (file === undefined) {
    throw new ProvisionError('needs-repair', `the projector of ${name} is not on this machine, ${source.digest}`, {
      suggestions: [`Get it from ${source.ref}, then run repair again.`],
    });
  }
  const { tensorBytes = 0 } = projectorFacts(await inputs.readHeader(file)) ?? {};
  return { projector: { id, serves, file, bytes: tensorBytes } };
}

function knownModel(record: InstallRecord, { catalog }: Inputs): { family: Family; model: Model } | undefined {
  for (const { family } of findByArchitecture(catalog, record.architecture)) {
    const model = family.id === record.family ? family.models.find(({ id }) => id === record.model) : undefined;
    if (model !== undefined) return { family, model };
  }
  return undefined;
}

async function specOf(record: InstallRecord, family: Family, header: GgufFacts, inputs: Inputs): Promise<ModelSpec> {
  const { template, licence, parameters, profile } = record;
  if (!chatTemplateNames(family).includes(template.name) && template.name !== RAW_TEMPLATE)
    throw another(record, `the template ${template.name}`);
  const text = await inputs.chatTemplate(template.name);
  if (digestOf(text) !== template.digest) throw another(record, `the template ${template.name}`);
  if (digestOf(family.licence.text) !== licence.textDigest) throw another(record, `the text of ${licence.id}`);
  const jinja = header.chatTemplate === undefined ? await inputs.referenceTemplate(template.name) : undefined;
  return {
    templateName: template.name,
    template: text,
    // The record's schema has checked its form; its type says no more than text.
    templateDigest: template.digest,
    ...(jinja !== undefined && { jinja }),
    ...(template.builtIn !== undefined && { builtIn: template.builtIn }),
    profile,
    parameters,
    license: family.licence.text,
  };
}

function another({ name, source }: InstallRecord, what: string): ProvisionError {
  return new ProvisionError('needs-repair', `${name} cannot be recreated as it was: ${what} has changed`, {
    suggestions: [`Install it again: gemma-provision install --from ${source.ref} --name ${name} --force`],
  });
}
