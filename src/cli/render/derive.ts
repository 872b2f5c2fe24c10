import { issueText } from '../../core/parse.ts';
import type { CatalogDeriveData } from '../../provision/plan/catalog-derive.ts';

/** What a person has to do to an entry of `catalog derive`. */
export function deriveText({ missing, check, file }: CatalogDeriveData): string {
  const left = missing.map((issue) => `  ${issueText(issue)}`);
  const next = `Complete it, then check it: gemma-provision catalog validate ${file ?? 'FILE'}`;
  return [
    ...(left.length === 0 ? ['Nothing is missing.'] : [`Missing (${left.length}):`, ...left]),
    'Check:',
    ...check.map((each) => `  ${each}`),
    next,
  ].join('\n');
}
