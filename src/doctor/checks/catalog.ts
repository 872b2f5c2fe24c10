import { ProvisionError } from '../../core/errors.ts';
import { defineCheck } from '../contract.ts';
import { findingOf, ok } from '../findings.ts';

/** Whether the catalog loads: one wrong file of the user's own stops every install. */
export const catalog = defineCheck({
  id: 'catalog',
  title: 'Catalog',
  async run(view) {
    try {
      const { families } = await view.catalog();
      const models = families.flatMap(({ family }) => family.models);
      const own = new Set(
        families.flatMap(({ origins }) => origins.filter(({ origin }) => origin !== 'builtin').map(({ path }) => path)),
      );
      const files = own.size === 0 ? '' : `, with ${[...own].join(', ')}`;
      return ok(`${models.length} models of ${families.length} families${files}.`);
    } catch (error) {
      if (error instanceof ProvisionError) return findingOf('problem', error);
      throw error;
    }
  },
});
