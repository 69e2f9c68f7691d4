<#ftl output_format="plainText">
${msg("glueResetTitle", realmName)}

${msg("glueResetText", realmName)}

${msg("glueResetButton")}:
${link}

${msg("glueLinkLife", linkExpirationFormatter(linkExpiration))} ${msg("glueResetNote")}

--
${msg("glueFooter", realmName)}
