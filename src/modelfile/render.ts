import Handlebars from 'handlebars';
import type { Family, Model, Quant } from '../catalog/schema.ts';
import { digestOf } from '../core/digest.ts';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { parseModelfile } from './parse.ts';
import { modelfileName } from './paths.ts';
import { alwaysQuoted, quoteValue } from './quote.ts';
import type { ModelSpec, ParameterValue } from './schema.ts';
import type { NamedText } from './templates.ts';

export interface RenderRequest {
  readonly spec: ModelSpec;
  readonly family: Family;
  readonly model: Model;
  readonly quant: Quant;
  /** The Handlebars template of the Modelfile. */
  readonly template: NamedText;
  /** What FROM names; default `./<the quant's file>`. */
  readonly from?: string;
  /** What a second FROM names: the projector that is created with the model. */
  readonly projector?: string;
}

/**
 * Modelfile text for people and for `ollama create`; our own installs go through the API and never through it.
 * Throws `bad-template` when the template is wrong, when a value has no exact Modelfile form, and when the text
 * does not read back, by the parser's rules, as exactly the spec.
 */
export function renderModelfile(request: RenderRequest): string {
  const from = request.from ?? `./${request.quant.file}`;
  const text = withProjector(execute(request.template, viewOf(request, from)), request.projector);
  checkReadsBack(text, request, from);
  return text;
}

/** A second FROM after the first: which of the two is the projector, the server finds in the files. */
function withProjector(text: string, projector: string | undefined): string {
  if (projector === undefined) return text;
  return text.replace(/^FROM .*\n/m, (line) => `${line}FROM ${quoteValue(projector, 'path')}\n`);
}

interface View {
  readonly modelfileTemplate: { readonly name: string; readonly digest: string };
  readonly chatTemplate: { readonly name: string; readonly digest: string; readonly text: string };
  readonly title: string;
  readonly quant: string;
  readonly profile: string;
  readonly modelName: string;
  readonly fileName: string;
  readonly from: string;
  /** Empty where the model is written by its template. */
  readonly renderer: string;
  readonly parser: string;
  readonly requires: string;
  /** Already in Modelfile form. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  /** Empty where there is none: a strict template may only name what is there. */
  readonly system: string;
  readonly license: string;
}

function viewOf({ spec, family, model, quant, template }: RenderRequest, from: string): View {
  return {
    modelfileTemplate: { name: template.name, digest: digestOf(template.text) },
    chatTemplate: {
      name: `templates/chat/${spec.templateName}.${spec.builtIn === undefined ? 'gotmpl' : 'jinja'}`,
      digest: spec.templateDigest,
      text: spec.template,
    },
    title: model.title,
    quant: quant.id,
    profile: spec.profile,
    modelName: `${model.id}:${quant.id}`,
    fileName: modelfileName(family, model, quant),
    from,
    renderer: spec.builtIn?.renderer ?? '',
    parser: spec.builtIn?.parser ?? '',
    requires: spec.builtIn?.requires ?? '',
    parameters: parameterLines(spec).map(([name, value]) => ({
      name: parameterName(name),
      value: typeof value === 'string' ? alwaysQuoted(value, `parameter ${name}`) : String(value),
    })),
    system: spec.system ?? '',
    license: spec.license,
  };
}

function execute(template: NamedText, view: View): string {
  const engine = Handlebars.create();
  engine.registerHelper('text', (value: unknown) => alwaysQuoted(known(value), 'text'));
  engine.registerHelper('path', (value: unknown) => quoteValue(known(value), 'path'));
  engine.registerHelper('comment', (value: unknown) => known(value).replace(/\s+/g, ' '));
  try {
    // Handlebars' HTML escaping would turn <start_of_turn> into &lt;start_of_turn&gt;.
    return engine.compile(template.text, { noEscape: true, strict: true })(view);
  } catch (cause) {
    if (cause instanceof ProvisionError) throw cause;
    throw new ProvisionError('bad-template', `${template.name} does not render: ${messageOf(cause)}`, { cause });
  }
}

/** Handlebars' strict mode does not look at the arguments of helpers. */
function known(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError('a helper was given a name that the template data does not have');
}

/** One line per value: a list, `stop`, is written as several lines of one name. */
function parameterLines(spec: ModelSpec): [string, Exclude<ParameterValue, string[]>][] {
  return Object.entries(spec.parameters).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((one): [string, string] => [name, one])
      : [[name, value] as [string, Exclude<ParameterValue, string[]>]],
  );
}

function parameterName(name: string): string {
  if (/^[a-zA-Z0-9_]+$/.test(name)) return name;
  throw new ProvisionError('bad-template', `${JSON.stringify(name)} is not a parameter name`);
}

/** A template that leaves a value out, or adds one, is found here and not on a user's server. */
function checkReadsBack(text: string, { spec, template, projector }: RenderRequest, from: string): void {
  const meant = [
    `from ${from}`,
    ...(projector === undefined ? [] : [`from ${projector}`]),
    ...formatLines(spec),
    ...(spec.system === undefined || spec.system === '' ? [] : [`system ${spec.system}`]),
    ...parameterLines(spec).map(([name, value]) => `parameter ${name} ${value}`),
    `license ${spec.license}`,
  ].toSorted();
  const read = parseModelfile(text, `The Modelfile of ${template.name}`)
    .map(({ name, key, value }) => [name, ...(key === undefined ? [] : [key]), value].join(' '))
    .toSorted();
  const lost = meant.find((line) => !read.includes(line));
  const extra = read.find((line) => !meant.includes(line));
  if (lost === undefined && extra === undefined && read.length === meant.length) return;
  const what = lost === undefined ? `adds or repeats ${shorten(extra ?? '')}` : `does not say ${shorten(lost)}`;
  throw new ProvisionError('bad-template', `The Modelfile of ${template.name} ${what}`);
}

function formatLines({ template, builtIn }: ModelSpec): string[] {
  if (builtIn === undefined) return [`template ${template}`];
  const { renderer, parser, requires } = builtIn;
  return [`renderer ${renderer}`, `parser ${parser}`, ...(requires === undefined ? [] : [`requires ${requires}`])];
}

function shorten(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}
