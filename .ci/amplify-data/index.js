export const defineData = undefined;
