/** Which chat template a model gets. A file without one of its own is probably a pretrained model, and the user decides. */
import { chatTemplateName } from '../../catalog/chat-format.ts';
import type { Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import { RAW_TEMPLATE } from '../../modelfile/templates.ts';
import { BASE_SUITE } from '../../smoke/schema.ts';
import type { InstallRequest } from './contract.ts';
import { fileNameOf } from './quant-places.ts';
import type { ResolvedRequest } from './resolve-request.ts';
import { CHAT_FORMATS, isUnlisted } from './unlisted.ts';

interface ChosenTemplate {
  /** In `templates/chat/`. */
  readonly name: string;
  /** The file has none of its own, so every runtime needs this one. */
  readonly isGiven: boolean;
  readonly model: Model;
  readonly reasons: readonly string[];
}

/** A model of the catalog in its pretrained form: the same shape, tested as what it is. */
export function asBase(model: Model): Model {
  return { ...model, kind: 'base', smokeSuite: BASE_SUITE };
}

/** Decides from the header alone, before a byte is moved. Throws `bad-template` where only the user can know. */
export function chooseTemplate(
  { identified: { family, model }, file, header }: ResolvedRequest,
  { chatTemplate }: Pick<InstallRequest, 'chatTemplate'>,
): ChosenTemplate {
  const own = chatTemplateName(family, model);
  if (header.chatTemplate !== undefined && isUnlisted(family.id) && own === RAW_TEMPLATE) {
    throw new ProvisionError(
      'bad-template',
      `The chat template of ${fileNameOf(file)} has a format that this tool has no template for`,
      {
        suggestions: [
          `Known formats: ${CHAT_FORMATS.map(({ template }) => template).join(', ')}.`,
          'If its format is that of a family of the catalog, name it: --family FAMILY.',
        ],
      },
    );
  }
  if (header.chatTemplate !== undefined) return { name: own, isGiven: false, model, reasons: [] };
  const lacking = `${fileNameOf(file)} has no chat template`;
  const given = chatTemplate ?? (model.kind === 'base' ? 'none' : undefined);
  if (given === 'family') {
    return {
      name: own,
      isGiven: true,
      model,
      reasons: [`${lacking}: it gets that of ${family.title}`],
    };
  }
  if (given === 'none') {
    const reasons = [`${lacking}: it is installed as a pretrained (base) model`];
    return { name: RAW_TEMPLATE, isGiven: true, model: asBase(model), reasons };
  }
  throw new ProvisionError(
    'bad-template',
    `${lacking}: it looks like a pretrained (base) model, which continues text but does not answer questions`,
    {
      suggestions: [
        `Install it as a base model: --suite ${BASE_SUITE}.`,
        `Or, if it is instruction-tuned, give it the chat template of ${family.title}: --chat-template family.`,
      ],
    },
  );
}
