import { join } from 'node:path';
import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Disk } from '../disk/disk.ts';

export interface NamedText {
  /** Path relative to the package root, `templates/default.modelfile.hbs`. */
  readonly name: string;
  readonly text: string;
}

export interface Templates {
  /** Handlebars templates of Modelfiles by family id; `default` serves the families that have none of their own. */
  readonly modelfiles: ReadonlyMap<string, NamedText>;
  /** Chat templates by name: Go, and the Jinja of a format that every server for it has built in. */
  readonly chats: ReadonlyMap<string, NamedText>;
  /** The official Jinja templates that the Go ones must equal, by the same names; not every one has to be there. */
  readonly references: ReadonlyMap<string, NamedText>;
}

/** The chat template of a pretrained model: the text of the user and nothing else. */
export const RAW_TEMPLATE = 'raw';

const MODELFILE_SUFFIX = '.modelfile.hbs';
const CHAT_SUFFIX = '.gotmpl';
const REFERENCE_SUFFIX = '.jinja';

/** Reads `templates/*.modelfile.hbs` below the root of this package, `templates/chat/*.gotmpl` and `templates/chat/*.jinja`. */
export async function loadTemplates(disk: Disk, root: string): Promise<Templates> {
  const [modelfiles, chats, references] = await Promise.all([
    loadFolder(disk, root, 'templates', MODELFILE_SUFFIX),
    loadFolder(disk, root, 'templates/chat', CHAT_SUFFIX),
    loadFolder(disk, root, 'templates/chat', REFERENCE_SUFFIX),
  ]);
  return { modelfiles, chats: new Map([...references, ...chats]), references };
}

/** The family's own Modelfile template, else the default one. */
export function modelfileTemplateOf(templates: Templates, familyId: string): NamedText {
  const template = templates.modelfiles.get(familyId) ?? templates.modelfiles.get('default');
  if (template !== undefined) return template;
  throw new ProvisionError(
    'bad-template',
    `Neither templates/${familyId}${MODELFILE_SUFFIX} nor a default template exists`,
  );
}

/** Text of a chat template. Throws `bad-template` with the nearest name. */
export function chatTemplateOf(templates: Templates, name: string): string {
  const template = templates.chats.get(name);
  if (template !== undefined) return template.text;
  throw new ProvisionError(
    'bad-template',
    `The chat template ${name} does not exist (templates/chat/${name}${CHAT_SUFFIX})`,
    {
      suggestions: didYouMean(name, [...templates.chats.keys()]),
    },
  );
}

async function loadFolder(disk: Disk, root: string, folder: string, suffix: string): Promise<Map<string, NamedText>> {
  const names = (await disk.readdir(join(root, folder))).filter((name) => name.endsWith(suffix)).toSorted();
  const texts = await Promise.all(names.map((name) => disk.readFile(join(root, folder, name), 'utf8')));
  return new Map(
    names.map((name, index) => {
      // A checkout with CRLF line ends must give the same bytes and the same digest.
      const text = (texts[index] ?? '').replaceAll('\r\n', '\n');
      return [name.slice(0, -suffix.length), { name: `${folder}/${name}`, text }];
    }),
  );
}
