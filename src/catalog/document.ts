/** One catalog file: from its text to a family, or to the complete list of what is wrong with it. */
import { ProvisionError } from '../core/errors.ts';
import { type Issue, issuesOf, parseJson } from '../core/parse.ts';
import { nearest } from '../core/suggest.ts';
import { familyIssues, namesIn } from './check-family.ts';
import { isRaw, textAt } from './json-access.ts';
import { guardIssues, sizeIssue } from './limits.ts';
import { overlayFamily } from './overlay.ts';
import type { Family, FamilyOverlay } from './schema.ts';
import * as schema from './schema.ts';

/** The families that a document may be laid over, and what must not collide with it. */
export type Families = ReadonlyMap<string, Family>;

export type Inspection =
  /** `document`: the file as it was written, before it was laid over anything. */
  | { readonly ok: true; readonly family: Family; readonly document: unknown }
  /** `id` is the family that the file is meant for, if it can be read. */
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly id: string | undefined };

/** Every field name of the catalog, for the nearest match of a misspelt one. */
const KNOWN_KEYS: readonly string[] = [
  ...new Set(
    [
      schema.Family,
      schema.Model,
      schema.Quant,
      schema.QuantSource,
      schema.CardQuant,
      schema.Hyperparameters,
      schema.WeightBytes,
      schema.Sourced,
      schema.Modality,
      schema.LibraryModel,
      schema.SamplingProfile,
      schema.Tier,
      schema.UseCase,
      schema.Policy,
      schema.Licence,
      schema.Benchmark,
      schema.MinimumVersion,
      schema.SystemRequirements,
      schema.Trouble,
    ].flatMap((object) => Object.keys(object.shape)),
  ),
];

/**
 * Reads one document against the families known so far. A document about a known family is an overlay and may be partial; one
 * about a new family must be complete. `broken` are families whose own file was refused: an overlay of one is checked alone.
 */
export function inspectDocument(
  name: string,
  text: string,
  families: Families,
  broken: ReadonlySet<string> = new Set(),
): Inspection {
  const json = readJson(name, text);
  if (!json.ok) return { ok: false, issues: [json.issue], id: undefined };
  const { value } = json;
  const id = textAt(value, 'id');
  const tooLarge = sizeIssue(value);
  if (tooLarge !== undefined) return { ok: false, issues: [tooLarge], id };
  const base = id === undefined ? undefined : families.get(id);
  const isOverlay = base !== undefined || (id !== undefined && broken.has(id));
  const guards = guardIssues(value);
  const parsed = isOverlay ? parseOverlay(value, base) : parseFamily(value);
  const owners = ownersOf(families, id);
  const issues = [
    ...guards,
    ...(parsed.ok ? [] : withoutGuarded(parsed.issues, guards)),
    ...(isRaw(value) ? familyIssues(value, namesIn(value, base), owners) : []),
    ...(parsed.ok || isOverlay ? [] : newFamilyIssues(id, value, families)),
  ];
  if (issues.length > 0 || !parsed.ok) return { ok: false, issues, id };
  if (parsed.family === undefined) return { ok: false, issues: [], id };
  const merged = isOverlay ? familyIssues(parsed.family, namesIn(parsed.family), owners) : [];
  if (merged.length > 0) return { ok: false, issues: merged.map(afterMerging), id };
  return { ok: true, family: parsed.family, document: value };
}

type Parsed =
  | { readonly ok: true; readonly family: Family | undefined }
  | { readonly ok: false; readonly issues: Issue[] };

function parseFamily(value: unknown): Parsed {
  const result = schema.Family.safeParse(value);
  return result.success ? { ok: true, family: result.data } : { ok: false, issues: issuesOf(result.error, KNOWN_KEYS) };
}

function parseOverlay(value: unknown, base: Family | undefined): Parsed {
  const result = schema.FamilyOverlay.safeParse(value);
  if (!result.success) return { ok: false, issues: issuesOf(result.error, KNOWN_KEYS) };
  if (base === undefined) return { ok: true, family: undefined };
  const issues = architectureIssues(base, result.data);
  return issues.length > 0 ? { ok: false, issues } : { ok: true, family: overlayFamily(base, result.data) };
}

function architectureIssues(base: Family, overlay: FamilyOverlay): Issue[] {
  if (overlay.architecture === undefined || overlay.architecture === base.architecture) return [];
  const message = `the family ${base.id} is ${base.architecture}; a different architecture requires a different family id`;
  return [{ path: 'architecture', message }];
}

function readJson(name: string, text: string): { ok: true; value: unknown } | { ok: false; issue: Issue } {
  try {
    // Editors on Windows like to write a byte order mark, which JSON does not allow.
    return { ok: true, value: parseJson(text.replace(/^\uFEFF/, ''), { name, code: 'bad-catalog' }) };
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    return { ok: false, issue: { path: '$', message: error.message } };
  }
}

/** A key that the guard refused is an unknown field too; saying it once is enough. */
function withoutGuarded(issues: readonly Issue[], guards: readonly Issue[]): Issue[] {
  const reported = new Set(guards.map((issue) => issue.path));
  return issues.filter((issue) => !reported.has(issue.path));
}

const REQUIRED_KEYS: readonly string[] = Object.entries(schema.Family.shape)
  .filter(([, field]) => !field.safeParse(undefined).success)
  .map(([key]) => key);

/** Somebody who misspells the family of a partial file sees a page of missing fields; say what is behind it. */
function newFamilyIssues(id: string | undefined, value: unknown, families: Families): Issue[] {
  if (id === undefined || !isRaw(value) || REQUIRED_KEYS.every((key) => Object.hasOwn(value, key))) return [];
  const near = nearest(id, [...families.keys()]);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return [
    {
      path: 'id',
      message: `the file must be complete, because there is no family "${id}" that it could change${hint}`,
    },
  ];
}

function ownersOf(families: Families, except: string | undefined): Map<string, string> {
  return new Map(
    [...families.values()]
      .filter((family) => family.id !== except)
      .flatMap((family) => family.models.map((model): [string, string] => [model.id, family.id])),
  );
}

function afterMerging(issue: Issue): Issue {
  return { path: issue.path, message: `${issue.message} (in the family after the changes of this file)` };
}
