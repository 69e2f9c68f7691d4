<#ftl output_format="plainText">
<#assign actions><#list requiredActions![] as item>${msg("requiredAction.${item}")}<#sep>, </#list></#assign>
${msg("glueActionsTitle", realmName, actions)}

${msg("glueActionsText", realmName, actions)}

${msg("glueActionsButton")}:
${link}

${msg("glueLinkLife", linkExpirationFormatter(linkExpiration))} ${msg("glueActionsNote")}

--
${msg("glueFooter", realmName)}
