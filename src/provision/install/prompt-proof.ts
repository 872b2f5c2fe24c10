import { basename } from 'node:path';
import { chatTemplateName, chatTemplateNames } from '../../catalog/chat-format.ts';
import type { Family } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import { realDisk } from '../../disk/disk.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { RAW_TEMPLATE, type Templates } from '../../modelfile/templates.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { StoredModel } from '../../runtimes/contract.ts';
import { isJinja } from '../../runtimes/jinja.ts';
import type { KnownPrompt } from '../../smoke/prompt/request.ts';
import { readHeader } from '../plan/header.ts';

interface Known {
  readonly stored: StoredModel;
  readonly families: readonly Family[];
  readonly record: InstallRecord | undefined;
  readonly templates: Templates;
}

/**
 * The template that a stored model was trained with, best source first: the file itself where the runtime keeps it on
 * this machine, the file's Jinja where the server shows that, the official template of the catalog's family.
 */
export async function knownPrompt(known: Known): Promise<KnownPrompt> {
  const header = await headerOf(known.stored);
  const addsBos = header?.tokenizer.addBos;
  const source = ownTemplate(header, known.stored);
  const official = officialTemplate(known);
  const sentTemplate = sentTemplateOf(known);
  return {
    ...(official !== undefined && { reference: { source: official, from: 'catalog' } }),
    ...(source !== undefined && { reference: { source, from: 'file' } }),
    ...(addsBos !== undefined && { addsBos }),
    ...(sentTemplate !== undefined && { sentTemplate }),
  };
}

/** Undefined where the runtime's file is not on this machine, or not ours to read. */
async function headerOf({ layerPath, layerDigest }: StoredModel): Promise<GgufFacts | undefined> {
  // A path of another machine may exist here as well: only a name that contains the digest proves that it is the same file.
  const hex = layerDigest?.slice('sha256:'.length);
  if (layerPath === undefined || hex === undefined || !basename(layerPath).includes(hex)) return undefined;
  try {
    return await readHeader(layerPath, Number((await realDisk.stat(layerPath, { bigint: true })).size));
  } catch {
    // The catalog's template is used instead; other checks report what is wrong with the file.
    return undefined;
  }
}

/** From 0.30 on Ollama shows the file's own Jinja template where that one is used. */
function ownTemplate(header: GgufFacts | undefined, { template }: StoredModel): string | undefined {
  if (header !== undefined) return header.chatTemplate;
  return template !== undefined && isJinja(template) ? template : undefined;
}

function officialTemplate({ families, record, templates }: Known): string | undefined {
  if (record?.template.name === RAW_TEMPLATE) return templates.references.get(RAW_TEMPLATE)?.text;
  const named = families.flatMap((family) => {
    const model = family.id === record?.family ? family.models.find(({ id }) => id === record.model) : undefined;
    // Which of several formats a model was trained with is not known of one that has no record: its server's word proves nothing.
    const names = model === undefined ? chatTemplateNames(family) : [chatTemplateName(family, model)];
    return names.length === 1 ? (templates.references.get(names[0] ?? '')?.text ?? []) : [];
  });
  return named[0];
}

/** The template that we created the model with; known only as long as it is still one of ours. */
function sentTemplateOf({ record, templates }: Known): string | undefined {
  if (record === undefined) return undefined;
  const text = templates.chats.get(record.template.name)?.text;
  return text !== undefined && digestOf(text) === record.template.digest ? text : undefined;
}
