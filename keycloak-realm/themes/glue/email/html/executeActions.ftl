<#outputformat "plainText"><#assign actions><#list requiredActions![] as item>${msg("requiredAction.${item}")}<#sep>, </#list></#assign></#outputformat>
<#import "template.ftl" as layout>
<@layout.emailLayout>
<@layout.action title=msg("glueActionsTitle", realmName, actions) text=msg("glueActionsText", realmName, actions) button=msg("glueActionsButton") note=msg("glueActionsNote") />
</@layout.emailLayout>
