<#ftl output_format="plainText">
${msg("glueVerifyTitle", realmName)}

${msg("glueVerifyText", realmName)}

${msg("glueVerifyButton")}:
${link}

${msg("glueLinkLife", linkExpirationFormatter(linkExpiration))} ${msg("glueVerifyNote")}

--
${msg("glueFooter", realmName)}
