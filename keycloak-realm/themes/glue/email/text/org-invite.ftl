<#ftl output_format="plainText">
${msg("glueInviteTitle", realmName, organization.name)}

${msg("glueInviteText", realmName, organization.name)}

${msg("glueInviteButton")}:
${link}

${msg("glueLinkLife", linkExpirationFormatter(linkExpiration))} ${msg("glueInviteNote", realmName, organization.name)}

--
${msg("glueFooter", realmName)}
